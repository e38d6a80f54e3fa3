"""Prices as texts: which currencies they name, and which sign a delivery puts before its decimals.

`5.99 USD`, `1.299,00` and `1 299,-` tell their sign themselves; `1.299` does not, and follows most of the delivery.
sql/items.sql reads the amounts.
"""

from __future__ import annotations

from collections.abc import Mapping

# ISO 4217; any other three letters, such as PCS, are no currency
CODES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLF CLP CNY
COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR
IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RMB RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF
YER ZAR ZMW ZWG
"""
SYMBOLS = (
    "[A-Za-z]{0,3}\\p{Sc}",
    "zł",
    "zl",
    "kr",
    "kč",
    "kc",
    "ft",
    "lei",
    "lv",
    "лв",
    "руб",
    "р",
    "грн",
    "din",
    "rs",
    "rp",
)
CURRENCY = f"(?:{'|'.join((*CODES.split(), *SYMBOLS))})"
# currency, amount, currency; of several prices the first one
MONEY = (
    rf"(?iu)^(?:({CURRENCY})[.]? ?)?[+]?([0-9][0-9., '’]*|[.,][0-9]+)(?:[-–—]{{1,2}})?"
    rf"(?: ?({CURRENCY})[.]?(?: ?[,;|/] ?[0-9].*)?)?$"
)
SIGNS = ("point", "comma")


def decimal_sign(told: Mapping[str, int]) -> str:
    """The sign that most amounts of the delivery tell; a point if they tell nothing."""
    return "comma" if told["comma"] > told["point"] else "point"


def price_alerts(sign: str, told: Mapping[str, int], given: int, unread: int) -> list[str]:
    """Sentences of counts on prices that may be wrong. given: prices that are not empty; unread: those that became NULL."""
    alerts = []
    if told["either"] and not told["point" if sign == "point" else "comma"]:
        alerts.append(
            f"{told['either']:,} prices such as 1.299 can be read in two ways and no other tells how: read with a decimal"
            f" {sign}; if that is wrong, --decimal_sign {SIGNS[sign == 'point']}"
        )
    elif told["either"] and told["comma"] and told["point"]:
        alerts.append(
            f"{told['either']:,} prices such as 1.299 can be read in two ways: read with a decimal {sign}, as"
            f" {told[sign]:,} of {told['comma'] + told['point']:,} others are written"
        )
    if unread > MAX_UNREAD_FRAC * given:
        alerts.append(f"{unread:,} of {given:,} prices cannot be read and are NULL")
    return alerts


MAX_UNREAD_FRAC = 0.01
