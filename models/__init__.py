"""Pure computation: tensors and arrays in, tensors and arrays out."""
