"""From a shop's delivery to items and impressions: landing, inspection, drift, late events, repair."""
