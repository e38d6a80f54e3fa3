"""Personal data in queries: detected and masked before anything is stored downstream.

Known to be missed: nine digits in one block beside product words, ten in a row without `nip`, a street that
has neither `ul.` nor a postal code, a postal code with a small town and nothing else, addresses abroad but for
German streets, names of people, numbers glued to other words (`600123456buty`), a Visa of 13 digits that is an EAN as
well, local numbers of other countries without their prefix.
"""

from models.privacy.mask import KINDS, SUSPECT, is_only_personal, kinds_in, mask_personal

__all__ = ["KINDS", "SUSPECT", "is_only_personal", "kinds_in", "mask_personal"]
