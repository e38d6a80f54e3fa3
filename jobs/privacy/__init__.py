"""What jobs.privacy.retention stands on: whose days are over, what is held all the same, how it goes, and the proof."""
