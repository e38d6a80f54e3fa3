"""From pairs to two trained towers: pre-training, training, mining of hard negatives, exact evaluation."""
