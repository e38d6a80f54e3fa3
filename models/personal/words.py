"""Words that tell personal data from product data: who calls whom, what is measured, where people live.

All lower case and without Polish marks, as models.personal reads a text.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FOLD = str.maketrans("ąćęłńóśźż", "acelnoszz")

# directly before a number they say that it is dialled
CALL = _words(
    "tel telefon telefonu telefony telefonicznie kom komorka komorki komorkowy phone mobile mob gsm cell fon call"
    " dzwon dzwonic zadzwon zadzwonic oddzwon oddzwonic sms whatsapp viber signal blik kontakt kontaktu"
)
# anywhere in a text they say that someone leaves his number
LEFT = _words(
    "kontakt kontaktu kontaktowy dzwonic zadzwon zadzwonic dzwoncie oddzwon oddzwonic sms whatsapp viber"
    " pan pani imie nazwisko"
)
# between the word and its number, or beside a bare number, they say nothing
FILLERS = _words(
    "nr numer do mnie moj moje na pod o to jest prosze kontaktowy prywatny lub i oraz albo fax my number is the me"
    " or"
)
# what follows one of these is a number of the trade
CODE = _words(
    "oem ref art artykul model kod ean gtin isbn sku pn sn p/n s/n serial seria seryjny kat katalogowy katalogowego"
    " czesci czesc indeks index id symbol zam zamowienie zamowienia vin part oe upc imei regon krs bdo"
)
# stems of a trade that writes nine-digit numbers in threes
PARTS = (
    *("filtr", "klock", "tarcz", "pompa", "pompy", "uszczel", "lozysk", "czujnik", "wtrysk", "sprzegl", "amortyz"),
    *("rozrusz", "alternat", "wahacz", "przegub", "turbo", "rozrzad", "reflektor", "chlodnic", "iveco", "bosch"),
)  # fmt: skip
UNITS = _words(
    "mm cm m mb km kg g dag l ml v kw ah mah wh hz mhz ghz szt sztuk sztuki gb tb rpm lm k px dpi cal cali zl pln eur"
    " usd el elementow elementy ark arkuszy kart stron str tom cd dvd ramek ramkowy ramki osob os lat bar psi nm db"
    " kpl op par den kolor kolorow"
)
DIMENSIONS = ("wymiar", "rozmiar", "szerok", "wysok", "glebok", "dlugos", "grubos", "srednic", "pojemn", "szer", "zakres")  # fmt: skip
COMPANY = _words("nip nipu faktura fakture faktury fv vat regon podatnik firma firmy")
CARD = _words("karta karty karte visa mastercard card platnicza kredytowa debetowa cvv cvc")

NAMES = _words(
    "adam adrian agata agnieszka aleksandra alicja andrzej aneta anna artur barbara beata bozena cezary dariusz dawid"
    " dorota edyta elzbieta ewa ewelina grazyna grzegorz halina henryk iwona jacek jadwiga jakub jan janina janusz"
    " jaroslaw jerzy joanna jolanta justyna kamil karolina katarzyna kazimierz kinga krystyna krzysztof leszek lukasz"
    " maciej magdalena malgorzata marcin marek maria mariusz marta marzena mateusz michal mikolaj miroslaw monika natalia"
    " oleksandr olena patrycja patryk pawel piotr przemyslaw radoslaw rafal renata robert roman ryszard sebastian"
    " slawomir stanislaw sylwia szymon tadeusz teresa tomasz urszula wieslaw wojciech zbigniew zdzislaw zofia"
)

# towns of more than some 30,000 people; the first word of the name
TOWNS = _words(
    "augustow bedzin belchatow biala bialystok bielawa bielsko bilgoraj boleslawiec brodnica brzeg bydgoszcz bytom chelm"
    " chojnice chorzow chrzanow ciechanow cieszyn czechowice czestochowa dabrowa debica elblag elk garwolin gdansk gdynia"
    " gizycko gliwice glogow gniezno gorlice gorzow grodzisk grudziadz ilawa inowroclaw jaroslaw jarocin jaslo jastrzebie"
    " jaworzno jelenia kalisz katowice kedzierzyn kielce kluczbork knurow kolo kolobrzeg konin koszalin koscian krakow"
    " krasnik krosno krotoszyn kutno kwidzyn lebork legionowo legnica leszno lodz lomza lubartow lubin lublin lubon lukow"
    " malbork marki mielec mikolow minsk mlawa mragowo myslowice nowy nysa olawa olesnica olsztyn opole ostroda ostroleka"
    " ostrow ostrowiec oswiecim otwock pabianice piaseczno piekary pila piotrkow plock police poznan pruszcz pruszkow"
    " przemysl pszczyna pulawy raciborz radom radomsko rawicz ruda rumia rybnik rzeszow sandomierz sanok siedlce"
    " siemianowice sieradz skarzysko skawina skierniewice slupsk sochaczew sopot sosnowiec stalowa starachowice stargard"
    " starogard suwalki swarzedz swidnica swidnik swiebodzice swietochlowice swinoujscie szczecin szczecinek tarnobrzeg"
    " tarnow tarnowskie tczew tomaszow torun turek tychy walbrzych walcz warszawa wejherowo wieliczka wielun wlodawa"
    " wloclawek wodzislaw wolomin wroclaw wrzesnia wyszkow zabki zabrze zakopane zamosc zary zawiercie zdunska zgierz"
    " zgorzelec zielona zory zyrardow zywiec warszawie krakowie poznaniu wroclawiu gdansku lodzi"
)
# endings that towns have and products hardly ever
TOWN_ENDINGS = (
    "wice",
    "czyce",
    "szyce",
    "owice",
    "nice",
    "lice",
    "owo",
    "ewo",
    "nsk",
    "szow",
    "borz",
    "grod",
    "slaw",
)
# what Poland names its avenues, estates and squares after
KNOWN = (
    *("jerozolimsk", "niepodleglosci", "wolnosci", "solidarnosci", "jana pawla", "krakowsk", "wojska polskiego"),
    *("pilsudskiego", "armii krajowej", "zwyciestwa", "kosciuszki", "mickiewicza", "slowackiego", "grunwaldz"),
    *("tysiaclecia", "lecia", "bohaterow", "powstancow", "konstytucji", "maja", "listopada", "ujazdowsk", "polnoc"),
    *("piastow", "kopernika", "sobieskiego", "chrobrego", "przyjazni", "centrum", "zlotej", "zlota", "slonecz"),
    *("grunwald", "wyzwolenia", "reymonta", "sikorskiego", "rynek", "unii", "kazimierz"),
)  # fmt: skip
SECOND = _words(
    "biala gora gorze slaski slaska slaskie slaskich sacz targ tomysl dwor zdroj wielkopolski wielkopolska swietokrzyski"
    " mazowiecki mazowiecka mazowieckie gdanski gdanskie podlaska podlaski trybunalski kozle lodzka lodzki bialostocki"
    " opolskie opolski lubelski tarnowskie gory wola zagorz pomorski kujawski krajenskie mala duza"
)
