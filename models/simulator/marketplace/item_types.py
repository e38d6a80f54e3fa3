"""The item types of the shop: one a line, grouped by category path and kind.

A line has: name:gender | the other number:gender | genitive plural | colloquial names:gender.
Genders pick the adjective's ending: m, f, n, p (plural), g (genitive plural).
"""

ITEM_TYPES = """
[Obuwie > Sportowe | shoes]
trampki:p | trampek:m | trampek | tenisówki:p, pepegi:p
buty do biegania:p | but do biegania:m | butów do biegania | biegówki:p, buty biegowe:p
sneakersy:p | sneaker:m | sneakersów | adidasy:p, adiki:p
buty piłkarskie:p | but piłkarski:m | butów piłkarskich | korki:p, lanki:p, turfy:p
buty trekkingowe:p | but trekkingowy:m | butów trekkingowych | trekkingi:p, buty w góry:p
[Obuwie > Eleganckie | shoes]
szpilki:p | szpilka:f | szpilek | buty na obcasie:p, czółenka:p
mokasyny:p | mokasyn:m | mokasynów | loafersy:p, wsuwane buty:p
półbuty:p | półbut:m | półbutów | lakierki:p, pantofle:p
botki:p | botek:m | botków | buty za kostkę:p, sztyblety:p
[Obuwie > Sezonowe i domowe | shoes]
kozaki:p | kozak:m | kozaków | śniegowce:p, oficerki:p
kalosze:p | kalosz:m | kaloszy | gumowce:p, gumiaki:p
sandały:p | sandał:m | sandałów | sandałki:p, rzymianki:p
klapki:p | klapek:m | klapek | japonki:p, laczki:p
kapcie:p | kapeć:m | kapci | bambosze:p, papcie:p, ciapy:p
[Odzież > Okrycia wierzchnie | clothes]
kurtka zimowa:f | kurtki zimowe:p | kurtek zimowych | zimówka:f, puchówka:f
kurtka przeciwdeszczowa:f | kurtki przeciwdeszczowe:p | kurtek przeciwdeszczowych | sztormiak:m, peleryna:f
płaszcz:m | płaszcze:p | płaszczy | palto:n, prochowiec:m
kamizelka:f | kamizelki:p | kamizelek | bezrękawnik:m, serdak:m
[Odzież > Bluzy i koszulki | clothes]
bluza z kapturem:f | bluzy z kapturem:p | bluz z kapturem | hoodie:n, kangurka:f
sweter:m | swetry:p | swetrów | pulower:m, kardigan:m
koszulka:f | koszulki:p | koszulek | t-shirt:m, tiszert:m, podkoszulek:m
koszula:f | koszule:p | koszul | wizytowa góra:f, flanela:f
koszulka polo:f | koszulki polo:p | koszulek polo | polówka:f
[Odzież > Spodnie i spódnice | clothes]
spodnie jeansowe:p | spodnie z jeansu:p | spodni jeansowych | dżinsy:p, denimy:p
spodnie dresowe:p | dres:m | spodni dresowych | joggery:p, portki do biegania:p
legginsy:p | legginsy sportowe:p | legginsów | getry:p, rurki sportowe:p
szorty:p | szorty letnie:p | szortów | krótkie spodenki:p, bermudy:p
sukienka:f | sukienki:p | sukienek | kiecka:f, suknia:f
spódnica:f | spódnice:p | spódnic | spódniczka:f, kloszowana mini:f
[Odzież > Bielizna i nocna | clothes]
piżama:f | piżamy:p | piżam | komplet do spania:m, pidżama:f
szlafrok:m | szlafroki:p | szlafroków | podomka:f, płaszcz kąpielowy:m
skarpety:p | skarpeta:f | skarpet | skarpetki:p, stopki:p
bokserki:p | bokserki męskie:p | bokserek | slipy:p, gacie:p
biustonosz:m | biustonosze:p | biustonoszy | stanik:m, braletka:f
strój kąpielowy:m | stroje kąpielowe:p | strojów kąpielowych | bikini:n, kostium na basen:m
[Odzież > Dodatki | clothes]
czapka zimowa:f | czapki zimowe:p | czapek zimowych | beanie:f, uszanka:f
czapka z daszkiem:f | czapki z daszkiem:p | czapek z daszkiem | bejsbolówka:f, dżokejka:f
rękawiczki:p | rękawiczka:f | rękawiczek | mitenki:p, łapawice:p
szalik:m | szaliki:p | szalików | komin:m, chusta na szyję:f
[Galanteria > Plecaki i torby | bags]
plecak szkolny:m | plecaki szkolne:p | plecaków szkolnych | tornister:m, teczka do szkoły:f
plecak turystyczny:m | plecaki turystyczne:p | plecaków turystycznych | wór na wyprawy:m, bagaż górski:m
torebka:f | torebki:p | torebek | listonoszka:f, kopertówka:f
torba sportowa:f | torby sportowe:p | toreb sportowych | worek treningowy na ubrania:m, duffel:m
walizka:f | walizki:p | walizek | bagaż na kółkach:m, kabinówka:f
saszetka biodrowa:f | saszetki biodrowe:p | saszetek biodrowych | nerka:f, biodrówka:f
torba na laptopa:f | torby na laptopa:p | toreb na laptopa | aktówka:f, teczka na komputer:f
[Galanteria > Drobna | small_leather]
portfel:m | portfele:p | portfeli | pugilares:m, portmonetka:f
pasek do spodni:m | paski do spodni:p | pasków do spodni | pas skórzany:m
parasol:m | parasole:p | parasoli | parasolka:f, parapluj:m
[Biżuteria i zegarki > Zegarki | jewellery]
zegarek:m | zegarki:p | zegarków | czasomierz:m, zegareczek:m
okulary przeciwsłoneczne:p | okulary słoneczne:p | okularów przeciwsłonecznych | ciemne szkła:p, słoneczniki:p
[Biżuteria i zegarki > Ozdoby | jewellery]
kolczyki:p | kolczyk:m | kolczyków | sztyfty:p, klipsy:p
naszyjnik:m | naszyjniki:p | naszyjników | łańcuszek:m, kolia:f
bransoletka:f | bransoletki:p | bransoletek | opaska na rękę:f, bransoleta:f
pierścionek:m | pierścionki:p | pierścionków | obrączka:f, sygnet:m
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
[Kuchnia > Gotowanie | cookware]
patelnia:f | patelnie:p | patelni | wok:m, naleśnikarka:f
garnek:m | garnki:p | garnków | rondel:m, gar:m, saganek:m
zestaw noży:m | noże kuchenne:p | noży kuchennych | blok z ostrzami:m, tasak z kompletem:m
deska do krojenia:f | deski do krojenia:p | desek do krojenia | podkładka do siekania:f, stolnica:f
forma do pieczenia:f | formy do pieczenia:p | form do pieczenia | tortownica:f, blacha na ciasto:f
[Kuchnia > Stół i napoje | tableware]
kubek:m | kubki:p | kubków | garnuszek:m, kubas:m
talerz:m | talerze:p | talerzy | półmisek:m, zastawa:f
termos:m | termosy:p | termosów | kubek termiczny:m, bidon na ciepło:m
bidon:m | bidony:p | bidonów | butelka na wodę:f, manierka:f
pojemnik na lunch:m | pojemniki na lunch:p | pojemników na lunch | lunchbox:m, śniadaniówka:f
[Meble > Salon | furniture]
sofa:f | sofy:p | sof | kanapa:f, wersalka:f
fotel:m | fotele:p | foteli | uszak:m, bujak:m
stolik kawowy:m | stoliki kawowe:p | stolików kawowych | ława:f, stoliczek:m
regał:m | regały:p | regałów | półka na książki:f, biblioteczka:f
szafka RTV:f | szafki RTV:p | szafek RTV | stolik pod telewizor:m
[Meble > Sypialnia i biuro | furniture]
łóżko:n | łóżka:p | łóżek | wyro:n, tapczan:m
materac:m | materace:p | materacy | siennik:m, toper:m
szafa:f | szafy:p | szaf | garderoba:f, przesuwna na ubrania:f
komoda:f | komody:p | komód | mebel z szufladami:m, kredens:m
biurko:n | biurka:p | biurek | stolik pod komputer:m, sekretarzyk:m
krzesło:n | krzesła:p | krzeseł | hoker:m, taboret:m
fotel biurowy:m | fotele biurowe:p | foteli biurowych | obrotówka:f, krzesło na kółkach:n
[Dom > Tekstylia | textiles]
pościel:f | pościele:p | kompletów pościeli | poszwy:p, powłoczki:p
koc:m | koce:p | koców | pled:m, narzuta:f
poduszka:f | poduszki:p | poduszek | jasiek:m, podgłówek:m
ręcznik:m | ręczniki:p | ręczników | frotka do kąpieli:f, płachta plażowa:f
zasłona:f | zasłony:p | zasłon | kotara:f, firana:f
dywan:m | dywany:p | dywanów | chodnik:m, wykładzina:f
[Dom > Dekoracje i światło | decor]
lampa wisząca:f | lampy wiszące:p | lamp wiszących | żyrandol:m, zwis:m
lampka nocna:f | lampki nocne:p | lampek nocnych | światełko do snu:n, nocne świecidełko:n
obraz na płótnie:m | obrazy na płótnie:p | obrazów na płótnie | canvas:m, malunek na ścianę:m
fototapeta:f | fototapety:p | fototapet | naklejka na ścianę:f, tapeta:f
zegar ścienny:m | zegary ścienne:p | zegarów ściennych | chodzik na ścianę:m, kukułka:f
lustro:n | lustra:p | luster | zwierciadło:n, tremo:n
doniczka:f | doniczki:p | doniczek | osłonka na kwiaty:f, kwietnik:m
[Ogród > Maszyny i podlewanie | garden]
kosiarka:f | kosiarki:p | kosiarek | kosa do trawy:f, traktorek:m
podkaszarka:f | podkaszarki:p | podkaszarek | żyłkówka:f, wykaszarka:f
wąż ogrodowy:m | węże ogrodowe:p | węży ogrodowych | szlauch:m, gumowy przewód do wody:m
sekator:m | sekatory:p | sekatorów | nożyce do gałęzi:p, przycinak:m
taczka:f | taczki:p | taczek | wózek ogrodowy:m, japonka budowlana:f
[Ogród > Wypoczynek | garden_leisure]
grill ogrodowy:m | grille ogrodowe:p | grilli ogrodowych | ruszt:m, barbecue:n
basen rozporowy:m | baseny rozporowe:p | basenów rozporowych | pływalnia do ogródka:f
trampolina:f | trampoliny:p | trampolin | batut:m, skakanka z siatką:f
huśtawka ogrodowa:f | huśtawki ogrodowe:p | huśtawek ogrodowych | bujaczka:f, kokon wiszący:m
pawilon ogrodowy:m | pawilony ogrodowe:p | pawilonów ogrodowych | altana:f, namiot na imprezy:m
[Dziecko > Niemowlę | baby]
wózek dziecięcy:m | wózki dziecięce:p | wózków dziecięcych | spacerówka:f, gondola:f
fotelik samochodowy:m | foteliki samochodowe:p | fotelików samochodowych | nosidło do auta:n, siedzisko do auta:n
łóżeczko niemowlęce:n | łóżeczka niemowlęce:p | łóżeczek niemowlęcych | kojec:m, kołyska:f
butelka dla niemowląt:f | butelki dla niemowląt:p | butelek dla niemowląt | flaszka ze smoczkiem:f
pieluchy:p | pielucha:f | pieluch | pampersy:p, pieluszki:p
śpiworek niemowlęcy:m | śpiworki niemowlęce:p | śpiworków niemowlęcych | otulacz:m, rożek:m
krzesełko do karmienia:n | krzesełka do karmienia:p | krzesełek do karmienia | stołeczek do jedzenia:m
[Zabawki > Klasyczne | toys]
klocki:p | klocek:m | klocków | zestaw konstrukcyjny:m, cegiełki:p
lalka:f | lalki:p | lalek | bobas:m, laleczka:f
maskotka:f | maskotki:p | maskotek | pluszak:m, przytulanka:f, miś:m
puzzle:p | układanka:f | puzzli | jigsaw:m, obrazek do ułożenia:m
gra planszowa:f | gry planszowe:p | gier planszowych | planszówka:f, gra rodzinna:f
figurka:f | figurki:p | figurek | ludzik:m, statuetka kolekcjonerska:f
przebranie:n | przebrania:p | przebrań | kostium na bal:m, strój karnawałowy:m
[Zabawki > Ruch | toys]
hulajnoga:f | hulajnogi:p | hulajnóg | scooter:m, hulajka:f
auto zdalnie sterowane:n | auta zdalnie sterowane:p | aut zdalnie sterowanych | samochód na pilota:m, rc:n
rowerek biegowy:m | rowerki biegowe:p | rowerków biegowych | biegówka dla malucha:f, jeździk:m
[Szkoła i biuro > Przybory | school]
piórnik:m | piórniki:p | piórników | saszetka na długopisy:f, kosmetyczka szkolna:f
zeszyt:m | zeszyty:p | zeszytów | brulion:m, kajet:m
kredki:p | kredka:f | kredek | ołówki kolorowe:p, pastele:p
worek na buty:m | worki na buty:p | worków na buty | torba na kapcie:f, worek na wf:m
naklejki:p | naklejka:f | naklejek | wlepki:p, stickersy:p
kolorowanka:f | kolorowanki:p | kolorowanek | malowanka:f, książeczka do malowania:f
[Sport > Rowery i kółka | bikes]
rower górski:m | rowery górskie:p | rowerów górskich | mtb:m, góral:m
rower miejski:m | rowery miejskie:p | rowerów miejskich | damka:f, holender:m
kask rowerowy:m | kaski rowerowe:p | kasków rowerowych | ochrona głowy na rower:f, orzeszek:m
rolki:p | rolka:f | rolek | łyżworolki:p, inlajny:p
deskorolka:f | deskorolki:p | deskorolek | skejt:m, longboard:m
[Sport > Trening i turystyka | sport]
hantle:p | hantel:m | hantli | ciężarki:p, sztangielki:p
mata do ćwiczeń:f | maty do ćwiczeń:p | mat do ćwiczeń | karimata do jogi:f, podkładka fitness:f
piłka nożna:f | piłki nożne:p | piłek nożnych | futbolówka:f, gała:f
bieżnia elektryczna:f | bieżnie elektryczne:p | bieżni elektrycznych | chodzik treningowy:m
namiot:m | namioty:p | namiotów | tipi biwakowe:n, obozówka:f
śpiwór:m | śpiwory:p | śpiworów | worek do spania:m, mumia:f
latarka czołowa:f | latarki czołowe:p | latarek czołowych | czołówka:f, lampa na głowę:f
[Uroda i zdrowie > Kosmetyki | beauty]
krem do twarzy:m | kremy do twarzy:p | kremów do twarzy | nawilżacz:m, mazidło na buzię:n
szampon:m | szampony:p | szamponów | mydło do włosów:n, szamponik:m
perfumy:p | woda perfumowana:f | perfum | zapach:m, pachnidło:n
pomadka:f | pomadki:p | pomadek | szminka:f, błyszczyk:m
tusz do rzęs:m | tusze do rzęs:p | tuszów do rzęs | maskara:f
lakier do paznokci:m | lakiery do paznokci:p | lakierów do paznokci | hybryda:f, emalia do pazurków:f
[Uroda i zdrowie > Zdrowie | health]
ciśnieniomierz:m | ciśnieniomierze:p | ciśnieniomierzy | aparat do ciśnienia:m
termometr:m | termometry:p | termometrów | miernik gorączki:m
inhalator:m | inhalatory:p | inhalatorów | nebulizator:m
waga łazienkowa:f | wagi łazienkowe:p | wag łazienkowych | ważka do ciała:f
[Zwierzęta > Pies i kot | pets]
karma dla psa:f | karmy dla psa:p | karm dla psa | chrupki dla pieska:p, sucha micha:f
karma dla kota:f | karmy dla kota:p | karm dla kota | puszki dla kiciusia:p, whiskas:m
legowisko:n | legowiska:p | legowisk | posłanie:n, wyrko dla pupila:n
drapak dla kota:m | drapaki dla kota:p | drapaków dla kota | kocie drzewko:n, słupek do pazurów:m
smycz:f | smycze:p | smyczy | linka spacerowa:f, flexi:f
żwirek:m | żwirki:p | żwirków | piasek do kuwety:m, podsypka:f
[Delikatesy > Napoje i słodkie | food]
kawa ziarnista:f | kawy ziarniste:p | kaw ziarnistych | kawusia:f, ziarna do ekspresu:p
herbata:f | herbaty:p | herbat | napar:m, herbatka:f
miód:m | miody:p | miodów | nektar pszczeli:m
czekolada:f | czekolady:p | czekolad | słodka tabliczka:f
orzechy:p | orzech:m | orzechów | bakalie:p, mieszanka studencka:f
"""
