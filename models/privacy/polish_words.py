"""Context words that separate personal data from product data: words of calls, units of measure, parts of an address.

All lower case and without Polish marks, as models.privacy reads a text.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _stems(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FOLD = str.maketrans("ąćęłńóśźż", "acelnoszz")

# directly before a number they say that it is dialled
CALL = _words(
    "tel telefon telefonu telefony telefonicznie kom komorka komorki komorkowy phone mobile mob gsm cell fon call"
    " dzwon dzwonic zadzwon zadzwonic oddzwon oddzwonic sms whatsapp viber signal blik kontakt kontaktu"
)
# the same, and anywhere in a text
CALL_STEMS = ("zadzwon", "oddzwon", "dzwoni", "dzwoncie", "kontakt", "telefonicz")
# anywhere in a text they say that someone leaves his number
LEFT = _words("sms whatsapp viber pan pani imie nazwisko")
# between the word and its number, or beside a bare number, they say nothing
FILLERS = _words(
    "nr numer do mnie moj moje na pod o to jest prosze kontaktowy prywatny lub i oraz albo fax my number is the me or"
)
# what follows one of these is a number of the trade
CODE = _words(
    "oem ref art artykul model kod ean gtin isbn sku pn sn p/n s/n serial seria seryjny kat katalogowy katalogowego"
    " czesci czesc indeks index id symbol vin part oe upc imei regon krs bdo"
)
# stems of a trade that writes nine-digit numbers in threes
PARTS = _stems(
    "filtr hamulc tarcz pompa pompy uszczel lozysk czujnik wtrysk sprzegl amortyz rozrusz alternat wahacz przegub"
    " turbo rozrzad reflektor chlodnic iveco bosch"
)
# stems of what is sold by its sizes in millimetres
SIZED = _stems(
    "zmywar lodowk zamrazar pralk suszark piekarnik okap szaf zlew blat lozk materac regal stol biurk komod karton"
    " drzwi okn panel polk lustr plyt dywan witryn brodzik wann kabin umywal grzejnik rolet"
)
UNITS = _words(
    "mm cm m mb km kg g dag l ml v kw ah mah wh hz mhz ghz szt sztuk sztuki gb tb rpm lm k px dpi cal cali zl pln eur"
    " usd el elementow elementy ark arkuszy kart stron str tom cd dvd ramek ramkowy ramki osob os lat bar psi nm db"
    " kpl op par den kolor kolorow"
)
DIMENSIONS = _stems("wymiar rozmiar szerok wysok glebok dlugos grubos srednic pojemn szer zakres")
COMPANY = _words("nip nipu faktura fakture faktury fv vat regon podatnik firma firmy")
CARD = _words("karta karty karte visa mastercard card platnicza kredytowa debetowa cvv cvc")

NAMES = _words(
    "adam adrian agata agnieszka aleksandra alicja andrzej aneta anna artur barbara beata bozena cezary dariusz dawid"
    " dorota edyta elzbieta ewa ewelina grazyna grzegorz halina henryk iwona jacek jadwiga jakub jan janina janusz"
    " jaroslaw jerzy joanna jolanta justyna kamil karolina katarzyna kazimierz kinga krystyna krzysztof leszek lukasz"
    " maciej magdalena malgorzata marcin marek maria mariusz marta marzena mateusz michal mikolaj miroslaw monika natalia"
    " oleksandr olena patrycja patryk pawel piotr przemyslaw radoslaw rafal renata robert roman ryszard sebastian"
    " slawomir stanislaw sylwia szymon tadeusz teresa tomasz urszula wieslaw wojciech zbigniew zdzislaw zofia"
    " ania asia basia bartek ela gosia jurek kasia kuba magda mirek ola olek tomek wojtek zosia"
)

# towns of more than some 20,000 people; the first word of the name
TOWNS = _words(
    "andrychow augustow bartoszyce bedzin belchatow bialystok bielawa bielsk bielsko bilgoraj bochnia boleslawiec"
    " brodnica brzesko bydgoszcz bytom chelm chojnice chorzow chrzanow ciechanow cieszyn czechowice czestochowa debica"
    " dzialdowo elblag elk garwolin gdansk gdansku gdynia gizycko gliwice glogow gniezno goleniow gorlice gorzow"
    " gostyn grodzisk grudziadz gryfino gubin hajnowka ilawa inowroclaw jarocin jaroslaw jaslo jastrzebie jaworzno"
    " jozefow kalisz katowice kedzierzyn ketrzyn kielce klodzko kluczbork knurow kolobrzeg konin koscian koszalin"
    " krakow krakowie krasnik krosno krotoszyn kutno kwidzyn lebork legionowo legnica leszno lidzbark limanowa lodz"
    " lodzi lomza luban lubartow lubin lublin lubon lukow malbork mielec mikolow milanowek minsk mlawa mragowo"
    " myslowice nowogard nysa oborniki olawa olesnica olkusz olsztyn opole ostroda ostroleka ostrow ostrowiec oswiecim"
    " otwock pabianice piaseczno piastow piekary piotrkow plock plonsk polkowice poznan poznaniu pruszcz pruszkow"
    " przemysl pszczyna pulawy raciborz radom radomsko rawicz rumia rybnik rzeszow sandomierz sanok siedlce"
    " siemianowice sieradz sierpc skarzysko skawina skierniewice slubice slupsk sochaczew sokolka sopot sosnowiec srem"
    " starachowice stargard starogard strzegom sulejowek suwalki swarzedz swidnica swidnik swiebodzice swietochlowice"
    " swinoujscie szczecin szczecinek tarnobrzeg tarnow tczew tomaszow torun trzebinia tychy wadowice wagrowiec"
    " walbrzych warszawa warszawie wejherowo wieliczka wielun wloclawek wlodawa wodzislaw wolomin wroclaw wroclawiu"
    " wrzesnia wyszkow zabkowice zabrze zagan zakopane zambrow zamosc zary zawiercie zgierz zgorzelec zory zyrardow"
    " zywiec"
)
# first words of towns that mean something else as well: only with the second
HALF_TOWNS = _words("biala dabrowa jelenia konstancin nowy ruda stalowa tarnowskie zdunska zielona")
# endings that towns have and products hardly ever
TOWN_ENDINGS = ("owice", "ewice", "czyce", "szyce", "owo", "ewo", "nsk", "szow", "borz", "grod", "slaw")
# what Poland names its avenues, estates and squares after
KNOWN = (
    *("jerozolimsk", "niepodleglosci", "wolnosci", "solidarnosci", "jana pawla", "krakowsk", "wojska polskiego"),
    *("pilsudskiego", "armii krajowej", "zwyciestwa", "kosciuszki", "mickiewicza", "slowackiego", "grunwaldz"),
    *("tysiaclecia", "lecia", "bohaterow", "powstancow", "konstytucji", "maja", "listopada", "ujazdowsk", "polnoc"),
    *("piastow", "kopernika", "sobieskiego", "chrobrego", "przyjazni", "centrum", "zlotej", "zlota", "slonecz"),
    *("grunwald", "wyzwolenia", "reymonta", "sikorskiego", "rynek", "unii", "kazimierz"),
)
# second words of towns
SECOND = _words(
    "biala gora gorze slaski slaska slaskie slaskich sacz targ tomysl dwor zdroj wielkopolski wielkopolska swietokrzyski"
    " mazowiecki mazowiecka mazowieckie gdanski gdanskie podlaska podlaski trybunalski kozle lodzka lodzki bialostocki"
    " opolskie opolski lubelski tarnowskie gory wola zagorz pomorski kujawski krajenskie jeziorna gornicza tarnowska"
)
