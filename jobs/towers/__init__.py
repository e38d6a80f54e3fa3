"""What the training rooms stand on: reading pairs, the loop, checkpoints, pretrained encoders."""
