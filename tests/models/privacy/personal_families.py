"""Product queries that look like personal data, by family and wording: see personal_cases."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.models.privacy.personal_spellings import (
    FIRST,
    SECOND,
    THIRD,
    article_number,
    digits,
    grouped,
    landline,
    mobile,
)

Make = Callable[[random.Random], str]


def pick(*some: str) -> Make:
    return lambda rng: rng.choice(some)


def n(rng: random.Random, low: int, high: int) -> int:
    return rng.randint(low, high)


def of(rng: random.Random, text: str) -> str:
    return rng.choice(text.split())


FAMILIES_FIRST: dict[str, tuple[Make, ...]] = {
    "ean": (
        lambda r: article_number(r, of(r, "590 400 4 5 69 6 3")),
        lambda r: "ean " + article_number(r, "590"),
        lambda r: article_number(r, of(r, "590 5"), 8),
        lambda r: f"herbata {article_number(r, '590')}",
    ),
    "isbn": (
        lambda r: article_number(r, "978"),
        lambda r: "978-" + grouped(digits(r, 10), (2, 3, 4, 1), "-"),
        lambda r: "isbn " + article_number(r, "97883"),
    ),
    "sizes in mm and cm": (
        lambda r: f"{n(r, 40, 99) * 10} {n(r, 30, 99) * 10} {n(r, 20, 80) * 10} mm",
        lambda r: f"szafa {n(r, 500, 900)} {n(r, 300, 899)} {n(r, 100, 899)} mm",
        lambda r: f"materac {n(r, 8, 18)}0 200 cm",
        lambda r: f"karton {n(r, 100, 600)}x{n(r, 100, 600)}x300",
    ),
    "round sizes without a unit": (lambda r: f"szafka {n(r, 50, 78)}0 {n(r, 30, 99)}0 {n(r, 20, 80)}0",),
    "memory and screens": (
        lambda r: f"iphone {n(r, 11, 16)} 128 256 512",
        lambda r: f"laptop 16 512 {of(r, '1920 2560')} 1080",
        lambda r: f"samsung s{n(r, 20, 24)}+ 256 8",
        lambda r: f"monitor {of(r, '1920x1080 2560x1440')} 144 27",
    ),
    "tyres": (
        lambda r: f"opony {of(r, '205 195 225')} {of(r, '55 65 45')} {of(r, '16 17 15')}",
        lambda r: f"{of(r, '205 195 225')} 55 16 91 v",
        lambda r: f"{of(r, '205 195')}/55/16 2024 zimowe",
    ),
    "part numbers": (
        lambda r: f"{n(r, 1000, 9999)}-{n(r, 100, 999)}-{n(r, 100, 999)}",
        lambda r: f"0{n(r, 1, 9)}{of(r, 'l k a e')} {n(r, 100, 999)} {n(r, 100, 999)}",
        lambda r: f"1k0 {n(r, 100, 999)} {n(r, 100, 999)} {of(r, 'a b c d')}",
        lambda r: f"6 {n(r, 100, 999)} 7 {n(r, 100, 999)} {n(r, 100, 999)}",
        lambda r: f"a {n(r, 100, 299)} {n(r, 100, 999)} {n(r, 10, 99)} {n(r, 10, 99)}",
        lambda r: f"0 {n(r, 100, 999)} {n(r, 100, 999)} {n(r, 100, 999)}",
        lambda r: f"{n(r, 10000, 99999)}-{n(r, 10000, 99999)} toyota",
    ),
    "ten digits in a row": (
        lambda r: digits(r, 10),
        lambda r: f"filtr {digits(r, 10)}",
        lambda r: f"82{digits(r, 8)} renault",
    ),
    "eleven digits in a row": (lambda r: f"{of(r, '11 34 51 64')}{digits(r, 9)} bmw", lambda r: digits(r, 11)),
    "nine digits with a word of the trade": (
        lambda r: f"oem {mobile(r)}",
        lambda r: f"nr kat. {mobile(r)}",
        lambda r: f"kod {grouped(mobile(r), (3, 3, 3))}",
        lambda r: f"filtr paliwa {grouped(mobile(r), (3, 3, 3))}",
        lambda r: f"klocki hamulcowe {mobile(r)}",
    ),
    "nine digits of a part beside a product": (
        lambda r: f"pilot do bramy {mobile(r)}",
        lambda r: f"bateria {landline(r)}",
    ),
    "models": (
        lambda r: f"lego {n(r, 10000, 99999)}",
        lambda r: f"cr20{n(r, 16, 50)} {n(r, 2, 10)} szt",
        lambda r: f"wkret 4x{n(r, 20, 90)} 200 szt",
        lambda r: f"din {n(r, 100, 999)} iso {n(r, 1000, 9999)} m{n(r, 4, 20)}",
        lambda r: "led 5050 300 12 v",
        lambda r: f"wd40 {n(r, 100, 600)} ml",
    ),
    "dates, years, prices": (
        lambda r: f"kalendarz {n(r, 1, 28)}.{n(r, 10, 12)}.2024",
        lambda r: f"do {n(r, 1, 90)}00 zł",
        lambda r: f"moneta {n(r, 1900, 1999)} {n(r, 1900, 1999)}",
        lambda r: f"powerbank {n(r, 1, 5)}0000 mah do {n(r, 100, 200)} zł",
    ),
    "al, os, pl, ul as words": (
        lambda r: f"os przednia {n(r, 20, 60)}",
        lambda r: f"pl {n(r, 10, 40)} karta",
        lambda r: f"profil al {n(r, 20, 60)}x20 2 m",
        lambda r: f"namiot {n(r, 2, 6)} os. {of(r, 'quechua coleman')} {n(r, 10, 40)}",
        lambda r: f"ul wielkopolski {n(r, 8, 12)} ramek",
        lambda r: f"plac zabaw {n(r, 20, 90)}",
        lambda r: f"gra pl {n(r, 2010, 2024)} ps{n(r, 3, 5)}",
    ),
    "zooms and ranges": (
        lambda r: f"{of(r, 'canon nikon sigma')} {of(r, '24-105 70-300 18-135')} f{n(r, 2, 5)}",
        lambda r: f"hantle {n(r, 10, 40)}-{n(r, 100, 200)} kg",
        lambda r: f"żarówka 12-{n(r, 220, 240)}v",
        lambda r: f"{of(r, '24-105 70-300')} mm {of(r, 'sony nikon')}",
    ),
    "@ in names": (
        lambda r: f"intel i{n(r, 3, 9)} @ {n(r, 2, 4)}.{n(r, 10, 90)}ghz",
        pick("koszulka @home", "c@t karma dla kota", "gra @play 2", "bluza m@rvel 140"),
    ),
}

FAMILIES_SECOND: dict[str, tuple[Make, ...]] = {
    "ean": (
        lambda r: article_number(r, of(r, "590 871 8 0 7 45 2")),
        lambda r: "kod kreskowy " + article_number(r, "590"),
        lambda r: article_number(r, "0", 12),
        lambda r: f"{article_number(r, '590')} cena",
        lambda r: article_number(r, of(r, "1 3 5"), 14),
    ),
    "isbn": (
        lambda r: "978 " + grouped(digits(r, 10), (2, 4, 3, 1), " "),
        lambda r: f"książka {article_number(r, '978')}",
        lambda r: "ISBN: " + grouped(digits(r, 10), (2, 4, 3, 1), "-"),
        lambda r: "83" + digits(r, 8),
    ),
    "sizes in mm and cm": (
        lambda r: f"zmywarka {n(r, 44, 60)}8 {n(r, 80, 87)}5 {n(r, 50, 60)}0",
        lambda r: f"zlew {n(r, 500, 780)} {n(r, 400, 520)} {n(r, 150, 220)}mm",
        lambda r: f"wymiary {n(r, 450, 790)} {n(r, 450, 800)} {n(r, 450, 800)}",
        lambda r: f"blat {n(r, 600, 790)} / {n(r, 600, 790)} / {n(r, 280, 380)} mm",
    ),
    "memory and screens": (
        lambda r: f"dysk 512 {of(r, '500 550 560')} {of(r, '530 520')} mb/s",
        lambda r: f"tablet {n(r, 8, 12)} 64 128 256 gb lte",
        lambda r: f"ram 3200 {n(r, 16, 64)} 288 pin 1.35",
        lambda r: f"tv {n(r, 43, 85)} 3840 2160 120 hz",
    ),
    "tyres": (
        lambda r: f"opona 7.50-16 {n(r, 10, 14)} pr",
        lambda r: "175 65 14 82t 4 szt",
        lambda r: f"felgi 5x{of(r, '112 120 100')} 17 et{n(r, 30, 50)} {of(r, '57 66')}.{n(r, 1, 6)}",
        lambda r: f"{n(r, 200, 300)} 35 19 {n(r, 90, 99)} w {n(r, 2018, 2024)}",
    ),
    "part numbers": (
        lambda r: f"{n(r, 10, 99)}.{n(r, 1000, 9999)}-{n(r, 1000, 9999)}.2",
        lambda r: f"vkba {n(r, 1000, 9999)} {n(r, 1000, 9999)}",
        lambda r: f"8200 {n(r, 100, 999)} {n(r, 100, 999)}",
        lambda r: f"{n(r, 500, 699)} {n(r, 1000, 3999)} {n(r, 10, 99)} luk",
        lambda r: f"5q0-{n(r, 100, 999)}-{n(r, 100, 999)}-{of(r, 'a b')}",
        lambda r: f"{n(r, 10, 99)} {n(r, 100, 999)} {n(r, 100, 999)} opel",
        lambda r: f"f 00v c{n(r, 10, 99)} {n(r, 100, 999)}",
        lambda r: f"mercedes {n(r, 100, 299)} {n(r, 100, 999)} {n(r, 10, 99)} {n(r, 10, 99)}",
    ),
    "ten digits in a row": (
        lambda r: f"0{digits(r, 9)} bosch",
        lambda r: f"toner {digits(r, 10)}",
        lambda r: f"pompa wody {n(r, 1, 9)}{digits(r, 9)}",
    ),
    "eleven digits in a row": (lambda r: f"simering {digits(r, 11)}", lambda r: f"{n(r, 80, 99)}{digits(r, 9)} symbol"),
    "nine digits with a word of the trade": (
        lambda r: f"symbol {mobile(r)}",
        lambda r: f"numer katalogowy {mobile(r)}",
        lambda r: f"amortyzator {grouped(mobile(r), (3, 3, 3))}",
        lambda r: f"część {grouped(mobile(r), (3, 3, 3))}",
        lambda r: f"ref. {grouped(landline(r), (3, 3, 3))}",
        lambda r: f"sprzęgło {mobile(r)} valeo",
    ),
    "nine digits of a part beside a product": (
        lambda r: f"{mobile(r)} wkład do drukarki",
        lambda r: f"worek odkurzacz {landline(r)}",
    ),
    "models": (
        lambda r: f"playmobil {n(r, 1000, 99999)} {n(r, 1000, 9999)}",
        lambda r: f"łożysko {n(r, 6000, 6999)} 2rs {n(r, 10, 60)} {n(r, 30, 90)} {n(r, 9, 20)}",
        lambda r: f"śruba m{n(r, 4, 20)} {n(r, 20, 200)} 8.8 100 szt",
        lambda r: f"taśma rgb 5050 {n(r, 30, 300)} led {n(r, 5, 20)} m",
        lambda r: f"ryzen {n(r, 3, 9)} {n(r, 1000, 9999)}x 4.{n(r, 1, 9)}",
        lambda r: f"seagate st{n(r, 1000, 9999)}dm{n(r, 100, 999)}",
    ),
    "dates, years, prices": (
        lambda r: f"gazeta 2{n(r, 0, 8)}/0{n(r, 1, 9)}/19{n(r, 45, 99)}",
        lambda r: f"telewizor {n(r, 1, 4)} {n(r, 100, 999)} - {n(r, 5, 9)} 000 zł",
        lambda r: f"okna 2010 2011 2012 {n(r, 2013, 2020)}",
        lambda r: f"wino {n(r, 1980, 2020)} {n(r, 100, 900)} pln",
    ),
    "al, os, pl, ul as words": (
        lambda r: f"półoś os tylna {n(r, 20, 60)}",
        lambda r: f"puszka al {n(r, 200, 600)} ml",
        lambda r: f"grill dla {n(r, 4, 12)} os {of(r, 'weber campingaz')} {n(r, 40, 70)}",
        lambda r: f"kołdra 2 os. puch {n(r, 140, 220)}",
        lambda r: f"ul dadanta {n(r, 8, 12)} ramkowy",
        lambda r: f"ulica sezamkowa elmo {n(r, 20, 50)} cm",
        lambda r: f"klawiatura pl usb {n(r, 100, 110)}",
        lambda r: f"taca al. srebrna {n(r, 20, 50)}",
        lambda r: f"plac budowy bruder {n(r, 1000, 9999)}",
    ),
    "zooms and ranges": (
        lambda r: f"obiektyw {of(r, '55-250 70-200 16-105')} {of(r, 'olympus tamron sony')}",
        lambda r: f"klocki 10-{n(r, 100, 200)} elementów",
        lambda r: f"pieluchy {n(r, 10, 20)}-{n(r, 100, 200)} sztuk",
        lambda r: f"termometr 20-{n(r, 100, 300)} stopni",
    ),
    "@ in names": (
        lambda r: f"q@q gra {n(r, 10, 99)}",
        lambda r: f"cpu 8 rdzeni @ {n(r, 2, 5)}.{n(r, 1, 9)} ghz",
        pick("plakat @ symbol", "naklejka @work", "breloczek @ małpa 5 cm"),
    ),
}

FAMILIES_THIRD: dict[str, tuple[Make, ...]] = {
    "ean": (
        lambda r: "gtin " + article_number(r, of(r, "590 3 50 88")),
        lambda r: f"{article_number(r, '590')} {article_number(r, '590')}",
        lambda r: article_number(r, of(r, "54 57 93 61")),
        lambda r: f"mleko {article_number(r, '59', 8)}",
    ),
    "isbn": (
        lambda r: f"podręcznik isbn 83-{n(r, 10, 99)}-{n(r, 10000, 99999)}-{n(r, 0, 9)}",
        lambda r: f"{article_number(r, '97883')} harry potter",
    ),
    "sizes in mm and cm": (
        lambda r: f"łóżko {n(r, 80, 180)} {n(r, 190, 220)} {n(r, 100, 120)} cm",
        lambda r: f"komoda {n(r, 60, 79)}0 {n(r, 70, 99)}5 {n(r, 30, 50)}0",
        lambda r: f"profil {n(r, 500, 799)} {n(r, 500, 799)} {n(r, 500, 799)} mm stal",
        lambda r: f"worki {n(r, 500, 700)} x {n(r, 500, 900)} x {n(r, 100, 200)}",
    ),
    "memory and screens": (
        lambda r: f"{of(r, '64 128 256')} 512 1024 gb pendrive",
        lambda r: f"rtx {n(r, 3050, 4090)} 12 gb {n(r, 500, 850)} w",
        lambda r: f"projektor {n(r, 600, 799)} ansi 1024 768",
        lambda r: f"kamera 2560 1440 {n(r, 25, 60)} fps {n(r, 100, 180)} stopni",
    ),
    "tyres": (
        lambda r: f"dętka 26 1.95 2.125 {n(r, 40, 60)} mm",
        lambda r: f"{n(r, 155, 245)}/{n(r, 35, 80)} r{n(r, 13, 19)} {n(r, 75, 99)}h",
        lambda r: f"opony letnie {n(r, 155, 245)} {n(r, 35, 80)} {n(r, 13, 19)} {n(r, 75, 99)} {n(r, 2019, 2024)}",
    ),
    "part numbers": (
        lambda r: f"{n(r, 100, 999)}.{n(r, 100, 999)}.{n(r, 10, 99)} elring",
        lambda r: f"{n(r, 1, 9)} {n(r, 100, 999)} {n(r, 100, 999)} ford",
        lambda r: f"51 {n(r, 10, 99)} 7 {n(r, 100, 999)} {n(r, 100, 999)}",
        lambda r: f"8k0 {n(r, 100, 999)} {n(r, 100, 999)} ad",
        lambda r: f"{n(r, 10, 99)}-{n(r, 1000, 9999)}-{n(r, 10, 99)} walizka",
        lambda r: f"{n(r, 100, 999)}-{n(r, 10, 99)}-{n(r, 1000, 9999)} honda",
        lambda r: f"{n(r, 33, 57)}-{n(r, 100, 999)} wkład stożkowy",
        lambda r: f"{n(r, 1000, 9999)} {n(r, 100, 999)} {n(r, 100, 999)} sachs",
    ),
    "ten digits in a row": (
        lambda r: f"wycieraczki {digits(r, 10)}",
        lambda r: f"{digits(r, 10)} oryginał",
        lambda r: digits(r, 10, "12345"),
    ),
    "eleven digits in a row": (lambda r: f"żarówka {digits(r, 11)}", lambda r: digits(r, 11, "13579")),
    "twelve to nineteen digits in a row": (
        lambda r: f"paczka {digits(r, 14)}",
        lambda r: f"numer seryjny {digits(r, 15)}",
        lambda r: digits(r, 12),
        lambda r: f"imei 35{digits(r, 13)}",
        lambda r: digits(r, 18),
    ),
    "nine digits with a word of the trade": (
        lambda r: f"kat {mobile(r)}",
        lambda r: f"{mobile(r)}oem",
        lambda r: f"pompa wody {grouped(mobile(r), (3, 3, 3))}",
        lambda r: f"rozrusznik {mobile(r)}",
        lambda r: f"indeks: {mobile(r)}",
    ),
    "nine digits of a part beside a product": (
        lambda r: f"pasek klinowy {mobile(r)}",
        lambda r: f"{landline(r)} grzałka do pralki",
    ),
    "models": (
        lambda r: f"schleich {n(r, 10000, 99999)} {n(r, 10000, 99999)}",
        lambda r: f"kołki rozporowe {n(r, 6, 12)}x{n(r, 40, 100)} {n(r, 10, 100)} szt",
        lambda r: f"bosch gsr {n(r, 12, 18)}v-{n(r, 15, 60)} 06019{digits(r, 5)}",
        lambda r: f"hp {n(r, 100, 999)} xl {n(r, 100, 999)} xl czarny",
        lambda r: f"nakrętka m{n(r, 4, 20)} din {n(r, 100, 999)} {n(r, 100, 1000)} sztuk",
        lambda r: f"lampa {n(r, 2700, 6500)}k {n(r, 400, 900)} lm 230v",
    ),
    "dates, years, prices": (
        lambda r: f"bilet {n(r, 10, 28)}-{n(r, 10, 12)}-2025 {n(r, 10, 22)}:30",
        lambda r: f"laptop do {n(r, 2, 6)} 000 {n(r, 100, 999)} zl",
        lambda r: f"klocki 2 3 4 5 6 lat {n(r, 2010, 2024)}",
        lambda r: f"kubek 1{n(r, 950, 999)} rocznik urodziny",
    ),
    "al, os, pl, ul as words": (
        lambda r: f"os przód {n(r, 15, 110)} mm dt swiss",
        lambda r: f"gra planszowa 2-{n(r, 4, 8)} os. wersja pl {n(r, 2015, 2024)}",
        lambda r: f"ul wielokorpusowy {n(r, 10, 12)} ramek",
        lambda r: f"menu pl samsung {n(r, 32, 65)}",
        lambda r: f"rura al {n(r, 10, 60)} mm",
        lambda r: f"plac zabaw domek {n(r, 2, 9)} huśtawki",
        lambda r: f"windows {n(r, 7, 11)} pl 64 bit",
        lambda r: f"drabina al. {n(r, 3, 12)} stopni",
        lambda r: f"ulica krokodyli schulz {n(r, 1990, 2020)}",
    ),
    "zooms and ranges": (
        lambda r: f"lornetka {n(r, 10, 30)}-{n(r, 30, 90)}0 zoom",
        lambda r: f"sony 16-{n(r, 100, 300)} g oss",
        lambda r: f"worki {n(r, 20, 60)}-{n(r, 100, 240)} litrów",
        lambda r: f"transformator 12-{n(r, 220, 250)} toroidalny",
    ),
    "@ in names": (
        lambda r: f"i{n(r, 3, 9)}-{n(r, 1000, 9999)} @ {n(r, 2, 5)}.{n(r, 10, 99)} GHz turbo",
        pick("perfumy @ischia", "kubek I @ work", "etui @mysz", "t-shirt 100% @"),
    ),
}
FAMILIES = {FIRST: FAMILIES_FIRST, SECOND: FAMILIES_SECOND, THIRD: FAMILIES_THIRD}
