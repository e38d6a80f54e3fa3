"""Addresses as people spell them: see personal_cases. Towns are no secret, streets, houses and codes are."""

from __future__ import annotations

import random

from tests.models.privacy.personal_spellings import FIRST, SECOND, THIRD

PREFIXES = {
    FIRST: ("ul. ", "ul.", "ulica ", "ul "),
    SECOND: ("ul. ", "Ul.", "ulicy ", "na ulicy ", "UL "),
    THIRD: ("ulica: ", "ul. ", "ul ", "mieszkam ul. ", "dostawa na ul. ", "Ulica "),
}
FLATS = {
    FIRST: ("", "/{}", " m. {}", " m {}"),
    SECOND: ("", "/{}", " lok. {}", " mieszkania {}"),
    THIRD: ("", "/{}", " / {}", " m.{}", ", mieszkanie {}", " lok {}", " m {}"),
}
STREETS = {
    FIRST: (
        "Kwiatowa",
        "Marszałkowska",
        "Jana Pawła II",
        "3 Maja",
        "Długa",
        "Wojska Polskiego",
        "ks. Jerzego Popiełuszki",
        "Krakowskie Przedmieście",
        "Piłsudskiego",
        "Leśna",
    ),
    THIRD: (
        "Lipowa",
        "Ogrodowa",
        "Sienkiewicza",
        "Mikołaja Kopernika",
        "Dworcowa",
        "Stary Rynek",
        "ks. Ściegiennego",
        "Żwirki i Wigury",
        "Powstańców Śląskich",
        "26 Kwietnia",
        "Nowy Świat",
        "płk. Kuklińskiego",
        "bł. Karoliny",
        "Wesoła",
        "Gdańska",
    ),
    SECOND: (
        "Polna",
        "Świętokrzyska",
        "11 Listopada",
        "gen. Władysława Andersa",
        "Kilińskiego",
        "Zielone Wzgórze",
        "Wałowa",
        "św. Antoniego",
        "Obrońców Westerplatte",
        "1 Pułku Szwoleżerów",
        "Słoneczna",
        "Armii Ludowej",
        "Rybacka",
    ),
}
AVENUES = {
    FIRST: (
        "al. Jerozolimskie",
        "al. Niepodległości",
        "al jana pawła ii",
        "os. Bohaterów Września",
        "os. Piastów",
        "pl. Wolności",
        "aleja Solidarności",
        "osiedle Tysiąclecia",
        "plac Grunwaldzki",
    ),
    THIRD: (
        "al. Wojska Polskiego",
        "al. Lipowa",
        "Aleje Ujazdowskie",
        "os. Kościuszkowskie",
        "os rusa",
        "os. Lecha",
        "pl. Teatralny",
        "plac Zbawiciela",
        "pl wolności",
        "al kasztanowa",
        "osiedle Zwycięstwa",
        "aleja Piłsudskiego",
        "al. Tysiąclecia",
    ),
    SECOND: (
        "al. Armii Krajowej",
        "Al. Wyzwolenia",
        "al grunwaldzka",
        "os. Złotej Jesieni",
        "os bolesława chrobrego",
        "pl. Szembeka",
        "aleja Róż",
        "osiedle Rusa",
        "plac Bankowy",
        "os. Oświecenia",
        "pl konstytucji",
    ),
}
TOWNS = {
    FIRST: ("Warszawa", "Kraków", "Łódź", "Bielsko-Biała", "Nowy Sącz", "Piastów", "Gliwice", "Toruń", "Wejherowo"),
    THIRD: (
        "Lublin",
        "Szczecin",
        "Białystok",
        "Ostrów Wielkopolski",
        "Kłodzko",
        "Marki",
        "Reda",
        "Tomaszów Lubelski",
        "Zgierz",
        "Pilchowice",
        "Puszczykowo",
        "Grójec",
        "Dąbrowa Górnicza",
        "Koło",
        "Jastrzębie-Zdrój",
    ),
    SECOND: (
        "Poznań",
        "Zielona Góra",
        "Ożarów Mazowiecki",
        "Świdnica",
        "Łomianki",
        "Rzeszów",
        "Jelenia Góra",
        "Kobyłka",
        "Żory",
        "Swarzędz",
        "Wieleń",
        "Gdynia",
        "Ruda Śląska",
        "Mosina",
    ),
}


def spelt_address(rng: random.Random, wording: str) -> tuple[str, str]:
    """An address, its town not a secret; and the family."""
    house = str(rng.randint(1, 180)) + rng.choice(("", "", "", "a", "B"))
    flat = rng.choice(FLATS[wording]).format(rng.randint(1, 90))
    street, code = rng.choice(STREETS[wording]), f"{rng.randint(0, 99):02}-{rng.randint(1, 999):03}"
    town = rng.choice(TOWNS[wording])
    prefix = rng.choice(PREFIXES[wording])
    made = (
        (f"{prefix}«{street} {house}{flat}»", "address, ul."),
        (f"{prefix}«{street} {house}{flat}», «{code}» {town}", "address, ul."),
        (f"{town} {prefix}«{street} {house}{flat}»", "address, ul."),
        (f"«{rng.choice(AVENUES[wording])} {house}{flat}»", "address, al. os. pl."),
        (f"«{rng.choice(AVENUES[wording])} {house}{flat}», {town}", "address, al. os. pl."),
        (f"«{code}» {town}", "address, code and town"),
        (f"«{rng.choice(STREETS[wording])} {house}{flat}, {code}» {town}", "address, code and town"),
    )
    text, family = rng.choice(made)
    return (text if rng.random() < 0.6 else text.lower()), family
