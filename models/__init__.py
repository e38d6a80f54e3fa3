"""What is computed: tensors and arrays in, tensors and arrays out."""
