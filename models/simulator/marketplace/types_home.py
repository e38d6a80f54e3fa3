"""What the shop sells for home, garden, children, sport and the body; read as `types_wear` says."""

HOME = """
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
