"""Personal data in what people type: found and masked before anything is stored downstream."""

from models.personal.masks import KINDS, SUSPECT, is_only_personal, kinds_in, mask_personal

__all__ = ["KINDS", "SUSPECT", "is_only_personal", "kinds_in", "mask_personal"]
