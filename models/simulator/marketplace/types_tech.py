"""What the shop sells with a plug or a battery, tools and car parts; read as `types_wear` says."""

TECH = """
[Telefony > Urządzenia | phones]
smartfon:m | smartfony:p | smartfonów | komórka:f, komóra:f, telefon:m
telefon dla seniora:m | telefony dla seniora:p | telefonów dla seniora | komórka z klawiszami:f
smartwatch:m | smartwatche:p | smartwatchy | inteligentna opaska:f, zegarek z krokomierzem:m
[Telefony > Akcesoria | phone_parts]
etui na telefon:n | etui do telefonu:n | etui na telefony | pokrowiec na komórkę:m, case:m, plecki:p
szkło hartowane:n | szkła hartowane:p | szkieł hartowanych | szybka ochronna:f, folia na ekran:f
ładowarka:f | ładowarki:p | ładowarek | zasilacz do komórki:m, kostka do ładowania:f
powerbank:m | powerbanki:p | powerbanków | przenośna bateria:f, bank energii:m
kabel USB:m | kable USB:p | kabli USB | przewód do ładowania:m, sznurek do telefonu:m
uchwyt samochodowy:m | uchwyty samochodowe:p | uchwytów samochodowych | stojak do auta:m, trzymak:m
[Komputery > Sprzęt | computers]
laptop:m | laptopy:p | laptopów | notebook:m, lapek:m, komputer przenośny:m
monitor:m | monitory:p | monitorów | ekran do komputera:m, wyświetlacz:m
tablet:m | tablety:p | tabletów | tabliczka dotykowa:f, pad do rysowania:m
drukarka:f | drukarki:p | drukarek | urządzenie wielofunkcyjne:n, kopiarka:f
karta graficzna:f | karty graficzne:p | kart graficznych | grafika do gier:f, gpu:n
[Komputery > Akcesoria | computer_parts]
mysz komputerowa:f | myszy komputerowe:p | myszy komputerowych | myszka:f, gryzoń do kompa:m
klawiatura:f | klawiatury:p | klawiatur | klawa:f, keyboard:m
pendrive:m | pendrive'y:p | pendrive'ów | pamięć przenośna:f, gwizdek usb:m
dysk SSD:m | dyski SSD:p | dysków SSD | pamięć półprzewodnikowa:f, twardziel:m
router:m | routery:p | routerów | punkt dostępowy:m, ruter wifi:m
podkładka pod mysz:f | podkładki pod mysz:p | podkładek pod mysz | mata pod myszkę:f, mousepad:m
[RTV > Telewizja i foto | tv_audio]
telewizor:m | telewizory:p | telewizorów | tv:m, plazma:f
projektor:m | projektory:p | projektorów | rzutnik:m, kino domowe na ścianę:n
aparat fotograficzny:m | aparaty fotograficzne:p | aparatów fotograficznych | lustrzanka:f, fotoaparat:m
kamera monitoringu:f | kamery monitoringu:p | kamer monitoringu | oko na podwórko:n, podgląd ip:m
dron:m | drony:p | dronów | quadrocopter:m, latająca kamera:f
[RTV > Dźwięk i gry | tv_audio]
głośnik bluetooth:m | głośniki bluetooth:p | głośników bluetooth | boombox:m, kolumna przenośna:f
słuchawki bezprzewodowe:p | słuchawka bezprzewodowa:f | słuchawek bezprzewodowych | pchełki:p, airpodsy:p
słuchawki gamingowe:p | słuchawki dla graczy:p | słuchawek gamingowych | headset:m, nauszniki z mikrofonem:p
soundbar:m | soundbary:p | soundbarów | listwa grająca:f, belka dźwiękowa:f
radio:n | radia:p | radioodbiorników | tuner fm:m, jamnik:m
konsola do gier:f | konsole do gier:p | konsol do gier | plejka:f, sprzęt do grania:m
pad do konsoli:m | pady do konsoli:p | padów do konsoli | kontroler:m, gamepad:m
[AGD > Duże | large_appliances]
lodówka:f | lodówki:p | lodówek | chłodziarka:f, chłodziarko-zamrażarka:f
pralka:f | pralki:p | pralek | automat do prania:m, praleczka:f
zmywarka:f | zmywarki:p | zmywarek | maszyna do naczyń:f
piekarnik:m | piekarniki:p | piekarników | piec do zabudowy:m, duchówka:f
płyta indukcyjna:f | płyty indukcyjne:p | płyt indukcyjnych | kuchenka do zabudowy:f, indukcja:f
okap kuchenny:m | okapy kuchenne:p | okapów kuchennych | pochłaniacz:m, wyciąg nad kuchenkę:m
[AGD > Małe | small_appliances]
odkurzacz:m | odkurzacze:p | odkurzaczy | elektroluks:m, ssawa:f
robot sprzątający:m | roboty sprzątające:p | robotów sprzątających | samojezdny odkurzacz:m, roomba:f
ekspres do kawy:m | ekspresy do kawy:p | ekspresów do kawy | kawiarka automatyczna:f, kawomat:m
czajnik elektryczny:m | czajniki elektryczne:p | czajników elektrycznych | imbryk na prąd:m
blender:m | blendery:p | blenderów | kielich miksujący:m, smoothie maker:m
żelazko:n | żelazka:p | żelazek | prasowajka:f, parownica:f
suszarka do włosów:f | suszarki do włosów:p | suszarek do włosów | fen:m, dmuchawa do głowy:f
toster:m | tostery:p | tosterów | opiekacz:m, sandwicz maker:m
kuchenka mikrofalowa:f | kuchenki mikrofalowe:p | kuchenek mikrofalowych | mikrofala:f, mikrofalówka:f
frytkownica beztłuszczowa:f | frytkownice beztłuszczowe:p | frytkownic beztłuszczowych | airfryer:m
wentylator:m | wentylatory:p | wentylatorów | wiatrak:m, wiatraczek:m
golarka elektryczna:f | golarki elektryczne:p | golarek elektrycznych | maszynka do brody:f, trymer:m
szczoteczka soniczna:f | szczoteczki soniczne:p | szczoteczek sonicznych | myjka do zębów:f
[Narzędzia > Elektronarzędzia | power_tools]
wiertarko-wkrętarka:f | wiertarko-wkrętarki:p | wiertarko-wkrętarek | wkrętarka:f, wkrętak na baterie:m
wiertarka udarowa:f | wiertarki udarowe:p | wiertarek udarowych | udarówka:f, borownica:f
szlifierka kątowa:f | szlifierki kątowe:p | szlifierek kątowych | kątówka:f, flex:m, diaks:m
wyrzynarka:f | wyrzynarki:p | wyrzynarek | laubzega na prąd:f, otwornica do drewna:f
pilarka łańcuchowa:f | pilarki łańcuchowe:p | pilarek łańcuchowych | piła spalinowa:f, motorówka do drewna:f
myjka ciśnieniowa:f | myjki ciśnieniowe:p | myjek ciśnieniowych | karcher:m, szczota wodna:f
spawarka:f | spawarki:p | spawarek | migomat:m, inwertor:m
kompresor:m | kompresory:p | kompresorów | sprężarka:f
[Narzędzia > Ręczne | hand_tools]
młotek:m | młotki:p | młotków | gumowiec do płytek:m, pobijak:m
zestaw kluczy nasadowych:m | klucze nasadowe:p | kluczy nasadowych | grzechotka:f, nasadki:p
śrubokręt:m | śrubokręty:p | śrubokrętów | wkrętak:m, krzyżak:m
miara zwijana:f | miary zwijane:p | miar zwijanych | metrówka:f, rolmetr:m
drabina:f | drabiny:p | drabin | schodki:p, rozstawka:f
skrzynka narzędziowa:f | skrzynki narzędziowe:p | skrzynek narzędziowych | kufer na klucze:m
[Motoryzacja > Części | car_parts]
opony zimowe:p | opona zimowa:f | opon zimowych | zimówki na koła:p, gumy na śnieg:p
akumulator samochodowy:m | akumulatory samochodowe:p | akumulatorów samochodowych | bateria do auta:f
klocki hamulcowe:p | klocek hamulcowy:m | klocków hamulcowych | hamulce do auta:p
wycieraczki samochodowe:p | wycieraczka samochodowa:f | wycieraczek samochodowych | pióra do szyb:p
olej silnikowy:m | oleje silnikowe:p | olejów silnikowych | smar do silnika:m
żarówki H7:p | żarówka H7:f | żarówek H7 | oświetlenie reflektorów:n, halogeny:p
[Motoryzacja > Wyposażenie | car_gear]
dywaniki samochodowe:p | dywanik samochodowy:m | dywaników samochodowych | gumowe maty do auta:p
wideorejestrator:m | wideorejestratory:p | wideorejestratorów | kamerka do auta:f, dashcam:m
bagażnik dachowy:m | bagażniki dachowe:p | bagażników dachowych | box na dach:m, trumna na auto:f
kask motocyklowy:m | kaski motocyklowe:p | kasków motocyklowych | garnek na motor:m
prostownik:m | prostowniki:p | prostowników | ładowarka do akumulatora:f
pokrowce na fotele:p | pokrowiec na fotel:m | pokrowców na fotele | koszulki na siedzenia:p
"""
