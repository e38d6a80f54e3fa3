"""What the shop sells to wear and carry: one type a line, grouped by category path and kind.

A line reads: name:gender | the other number:gender | genitive plural | colloquial names:gender.
Genders pick the adjective's ending: m, f, n, p (plural), g (genitive plural).
"""

WEAR = """
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
"""
