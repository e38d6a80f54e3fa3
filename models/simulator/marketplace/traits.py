"""Brands, themes, colours, materials, sizes, features and audiences, the kinds of items that have them, and the words
that sellers add.

NdjsonFormat are `key | ...`; a comment above each table names its columns. Adjectives are masculine; `vocabulary` inflects them.
"""

# kind | brands | price from-to | colours | materials | sizes | audience | theme | model | features
# audience, theme, model: share of the kind's products that carry one.
KINDS = """
shoes | shoes | 59-599 | all | shoe | shoe | .9 | .3 | .1 | outdoor
clothes | clothes | 29-499 | all | cloth | cloth | .9 | .15 | 0 | cloth
bags | bags | 49-499 | all | bag | litres | .5 | .25 | .05 | bag
small_leather | bags | 29-249 | all | bag |  | .6 | .1 | 0 | bag
jewellery | jewellery | 39-1499 | metal | metal |  | .7 | .08 | .1 | gift
phones | phones | 199-5999 | tech |  | memory | 0 | 0 | 1 | phone
phone_parts | phone_parts | 9-199 | tech | case | phone | 0 | .18 | .3 | phone
computers | computers | 399-7999 | tech |  | inch | 0 | 0 | 1 | tech
computer_parts | computer_parts | 29-999 | tech |  |  | 0 | .06 | .8 | tech
tv_audio | tv_audio | 79-6999 | tech |  |  | 0 | .03 | 1 | tech
large_appliances | appliances | 499-4999 | white |  | width | 0 | 0 | 1 | appliance
small_appliances | small_appliances | 59-2499 | white |  | watts | 0 | 0 | .9 | appliance
power_tools | tools | 99-1999 |  |  | watts | 0 | 0 | .95 | tool
hand_tools | tools | 15-399 |  | tool |  | 0 | 0 | .4 | tool
car_parts | car | 19-599 |  |  | car | 0 | 0 | .7 | car
car_gear | car | 29-999 | dark | rubber | car | 0 | .04 | .4 | car
cookware | kitchen | 19-399 | kitchen | pot | cm | 0 | 0 | .1 | kitchen
tableware | kitchen | 9-149 | all | mug | ml | .1 | .35 | 0 | kitchen
furniture | furniture | 99-3999 | wood | wood | cm | .05 | .02 | .3 | furniture
textiles | textiles | 19-399 | all | textile | bed | .2 | .25 | 0 | home
decor | decor | 19-499 | all | decor | cm | .1 | .2 | .05 | home
garden | garden | 29-2499 | garden |  |  | 0 | 0 | .8 | tool
garden_leisure | garden | 99-2999 | garden | garden | cm | 0 | .03 | .2 | garden
baby | baby | 19-1999 | pastel | cloth |  | .3 | .15 | .2 | baby
toys | toys | 19-499 | all | toy | age | .5 | .6 | .15 | toy
school | school | 3-129 | all |  | pages | .4 | .55 | 0 | school
bikes | bikes | 99-3999 | all |  | wheel | .6 | .1 | .5 | sport
sport | sport | 19-2999 | all | sport |  | .3 | .08 | .3 | sport
beauty | beauty | 9-299 | cosmetic |  | ml | .6 | .05 | 0 | beauty
health | health | 29-499 | white |  |  | 0 | .02 | .9 | health
pets | pets | 9-399 |  |  | kilos | 0 | 0 | 0 | pets
food | food | 9-129 |  |  | grams | 0 | .03 | 0 | food
"""

# group | brands, the most sold first; `Brand=what people type` gives a colloquial spelling
BRANDS = """
shoes | Nike=najki, Adidas=adasie, Puma, Converse=konwersy, Vans=wansy, New Balance=niubalansy, Reebok, \
Skechers, Big Star, Lasocki, Crocs=kroksy, Kubota, Ecco, Geox, Wojas, Befado, Bartek, Salomon, Lanetti
clothes | Nike=najk, Adidas=adidasa, 4F, Reserved, Levi's=lewisy, Wrangler, Tommy Hilfiger=tomi hilfiger, \
Calvin Klein=ck, The North Face=nortface, Columbia, Lee, Champion, Volcano, Ombre, Henderson, Lupilu
bags | Puma, Eastpak, Herschel, Wittchen=wittchena, Samsonite, Betlewski, Peterson, CoolPack=kulpak, \
St.Right, Head, Topgal, David Jones, Ochnik, Deuter
jewellery | Casio=kasio, Apart, Timex, Festina, Fossil, Lorus, Ray-Ban=rejbany, Polaroid, YES, Orient, Swarovski
phones | Samsung=samsunga, Xiaomi=szajomi, Apple=jabłko, Motorola=moto, Realme, Nokia, Huawei=hłałej, \
Oppo, Honor, Garmin, Maxcom, Amazfit
phone_parts | Spigen, Baseus, Ringke, Nillkin, Anker, Belkin, Hofi, Tech-Protect, Green Cell, Ugreen, Forever
computers | Lenovo, Dell, HP, Asus, Acer, Apple=jabłko, MSI, Gigabyte, Huawei, Iiyama, LG, Canon, Brother, Epson
computer_parts | Logitech=lodżitek, Razer, SteelSeries, Kingston, SanDisk, Samsung, TP-Link=tplink, Genesis, \
Modecom, Crucial, WD, A4Tech, Krux
tv_audio | Samsung=samsunga, LG, Sony=soni, JBL=dżejbiel, Philips=filips, TCL, Xiaomi=szajomi, Panasonic, \
Marshall, Bose, Canon, Nikon, DJI, Microsoft, Hama, Technisat, HyperX
appliances | Bosch=bosz, Samsung=samsunga, Whirlpool=łirpul, Electrolux, Amica, Beko, Siemens, LG, Candy, \
Gorenje, AEG, Hotpoint, Miele=mile
small_appliances | Philips=filips, Bosch=bosz, Tefal, Zelmer, De'Longhi=delongi, Braun, Xiaomi=szajomi, \
Rowenta, MPM, Sencor, Russell Hobbs, Krups, Dyson=dajson, Oral-B
tools | Bosch=bosz, Makita, DeWalt=dewolt, Yato, Metabo, Stanley, Parkside=parksajd, Hikoki, Neo Tools, \
Graphite, Dedra, Kärcher=karcher, Einhell, Proline, Verto
car | Bosch=bosz, Varta, Valeo, Castrol, Osram, Michelin=miszelin, Dębica, Goodyear=gudjer, Thule, Noco, \
TRW, Continental, Motul, 70mai, Frogum
kitchen | Tefal, Ambition, Gerlach, Zwilling, Florina, Kuchenprofi, Contigo, Lubiana, Stanley, Thermos, \
Smukee, Banquet, Fiskars=fiskarsa
furniture | Black Red White=brw, Ikea, Forte, Halmar, Szynaka, Hilding, Vox, Signal, Sofy.pl, Janpol, Unique
textiles | Darymex, Detexpol, Eurofirany, Greno, Faro, Sleepy Owl, Carbotex, Zwoltex, Kontrast, Dekoria
decor | Kare, Intesi, Eglo, Milagro, Bimago, Nowodvorski, JVD, Emako, Lampex, Prosperplast
garden | Gardena, Fiskars=fiskarsa, Stiga, Husqvarna=huskwarna, Weber, Bestway, Intex, Hecht, Stihl=sztil, \
Cellfast, Landmann, Flo, Nac
baby | Chicco=cziko, Lovi, Canpol, Kinderkraft, Cybex, Maxi-Cosi, Britax, Pampers, Lionelo, Bebetto, Avent, Dada
toys | LEGO=legosy, Mattel, Hasbro, Fisher-Price=fiszer, Trefl, Cobi, Ravensburger, Playmobil, Funko, \
Clementoni, Granna, Simba, Rastar, Hudora, Spin Master
school | Astra, Bambino, St.Right, CoolPack=kulpak, Interdruk, Faber-Castell, Derform, Paso, Starpak, Oxford
bikes | Kross=kros, Romet, Giant, Trek, Kellys, Rollerblade, Uvex, Nils, Spokey, Indiana, Author
sport | Adidas=adasie, Select, Hi-Tec, Spokey, Coleman, Petzl, Quechua=keczua, York, HMS, Nike=najk, Naturehike
beauty | Nivea, L'Oreal=loreal, Ziaja, Garnier=garnie, Bielenda, Maybelline=mejbelin, Eveline, Rimmel, \
Hugo Boss=boss, Lancome, Semilac, Dove, Vichy
health | Omron, Microlife, Beurer, Braun, Diagnostic, Tanita, Novama, Medel
pets | Royal Canin=rojal kanin, Brit, Purina, Dolina Noteci, Pedigree=pedigri, Trixie, Flexi, Josera, Cat's Best
food | Lavazza=lawaca, Lipton, Wedel, Milka, Jacobs, Bakalland, Tchibo=czibo, Dilmah, Sądecki Bartnik, Wawel
"""

# theme as titles write it | what people type
THEMES = """
Pokemon Pikachu | pikachu, pikaczu, z pikachu
Spider-Man | spiderman, spajdermen, człowiek pająk
Kraina Lodu | elsa, frozen, z elsą
Psi Patrol | paw patrol, chase i marshall, z psim patrolem
Harry Potter | hogwart, gryffindor, hary poter
Minecraft | majnkraft, creeper, steve
Star Wars | gwiezdne wojny, mandalorian, darth vader
Batman | człowiek nietoperz, mroczny rycerz
Hello Kitty | hello kity, kicia z kokardką
Myszka Miki | mickey mouse, miki, z miki
Stitch | stich, lilo i stitch, sticz
Świnka Peppa | peppa pig, pepa, ze świnką
Roblox | robloks, roblocks
Avengers | marvel, iron man, superbohaterowie
Barbie | barbi, z barbie
Super Mario | mario bros, mario, nintendo
Zygzak McQueen | auta disney, zygzak, cars
Kubuś Puchatek | winnie the pooh, kubuś, z puchatkiem
Jednorożec | unicorn, z jednorożcem, konik z rogiem
Dinozaury | dino, t-rex, z dinozaurem
Minionki | minions, gru, żółte ludziki
Naruto | anime naruto, konoha, sasuke
Wiedźmin | witcher, geralt, z wiedźminem
FC Barcelona | barca, fcb, barcelony
Real Madryt | real madrid, królewscy
Fortnite | fortnajt, battle royale
Sonic | jeż sonic, sonik
Piłka nożna | football, dla piłkarza
Kosmos | space, planety, astronauta
Kotki | z kotem, cat, kociaki
Moro | wojskowe, camo, kamuflaż
W kwiaty | floral, kwieciste, w kwiatki
"""

# colour | the word that people type instead
COLOURS = """
czarny | ciemny
biały | śnieżnobiały
szary | popielaty
granatowy | ciemnoniebieski
niebieski | błękitny
czerwony | krwisty
bordowy | wiśniowy
zielony | oliwkowy
różowy | pudrowy
beżowy | kremowy
brązowy | czekoladowy
żółty | cytrynowy
fioletowy | śliwkowy
srebrny | metaliczny
złoty | pozłacany
miętowy | seledynowy
turkusowy | morski
pomarańczowy | rudy
"""

# key | colours, by name
PALETTES = """
tech | czarny, biały, srebrny, granatowy, złoty, różowy, zielony
white | biały, srebrny, czarny, beżowy, szary
metal | złoty, srebrny, czarny, różowy
dark | czarny, szary, beżowy
kitchen | czarny, srebrny, szary, czerwony, miętowy
wood | biały, szary, brązowy, czarny, beżowy, granatowy, zielony
garden | zielony, czarny, szary, brązowy, pomarańczowy
pastel | różowy, niebieski, beżowy, miętowy, szary, biały, żółty
cosmetic | czerwony, różowy, bordowy, beżowy, brązowy, czarny
"""

# key | material as titles write it=what people type
MATERIALS = """
shoe | skóra naturalna=skórzane, zamsz=zamszowe, skóra ekologiczna=z ekoskóry, tkanina=materiałowe, guma=gumowe
cloth | bawełna=bawełniane, poliester=z poliestru, wełna=wełniane, len=lniane, wiskoza=z wiskozy, polar=polarowe
bag | skóra naturalna=skórzane, nylon=nylonowe, poliester=materiałowe, skóra ekologiczna=z ekoskóry
metal | srebro 925=srebrne pr. 925, stal chirurgiczna=stalowe, złoto 585=złote pr. 585, tytan=tytanowe
case | silikon=silikonowe, skóra ekologiczna=skórzane, tworzywo TPU=gumowe, poliwęglan=twarde plastikowe
tool | stal CrV=chromowane, włókno szklane=z włókna, aluminium=aluminiowe, drewno=drewniane
rubber | guma=gumowe, welur=welurowe, skóra ekologiczna=z ekoskóry
pot | stal nierdzewna=nierdzewne, granit=granitowe, żeliwo=żeliwne, ceramika=ceramiczne, drewno=drewniane
mug | ceramika=ceramiczne, szkło=szklane, stal nierdzewna=stalowe, porcelana=porcelanowe, tritan=plastikowe
wood | dąb sonoma=dębowe, płyta laminowana=z płyty, drewno sosnowe=sosnowe, metal=metalowe, welur=welurowe
textile | bawełna=bawełniane, mikrofibra=z mikrofibry, satyna=satynowe, flanela=flanelowe, bambus=bambusowe
decor | drewno=drewniane, szkło=szklane, metal=metalowe, tworzywo=plastikowe, ceramika=ceramiczne
garden | aluminium=aluminiowe, technorattan=rattanowe, stal=stalowe, drewno=drewniane
toy | drewno=drewniane, plusz=pluszowe, tworzywo ABS=plastikowe, tektura=kartonowe
sport | guma=gumowe, żeliwo=żeliwne, pianka NBR=piankowe, poliester=materiałowe
"""

# key | size as titles write it=what people type
SIZES = """
shoe | r. 36=36, r. 37=37, r. 38=38, r. 39=39, r. 40=40, r. 41=41, r. 42=42, r. 43=43, r. 44=44, r. 28=28, r. 32=32
cloth | rozm. S=s, rozm. M=m, rozm. L=l, rozm. XL=xl, rozm. XXL=xxl, rozm. 116=116, rozm. 128=128, rozm. 140=140
litres | 15L=15 litrów, 20L=20 litrów, 25L=25l, 30L=30 litrów, 40L=40l, 60L=60 litrów
memory | 4/64GB=64gb, 6/128GB=128 gb, 8/256GB=256gb, 12/512GB=512 giga
phone | do iPhone 13=ajfon 13, do iPhone 15=iphone 15, do Galaxy A54=samsung a54, do Redmi Note 12=redmi note 12
inch | 11"=11 cali, 14"=14 cali, 15,6"=15.6, 24"=24 cale, 27"=27 cali
width | 45 cm=45cm, 55 cm=55cm, 60 cm=60cm, 90 cm=90cm
watts | 18V=18 v, 700W=700 w, 1000W=1000w, 1400W=1400 w, 2200W=2200w
car | do Golf VII=golf 7, do Passat B8=passat b8, do Octavia III=octavia 3, do Astra J=opel astra, \
uniwersalne=do każdego auta
cm | 20 cm=20cm, 24 cm=24cm, 28 cm=28cm, 60 cm=60cm, 80 cm=80cm, 120 cm=120cm, 160 cm=160cm
ml | 50 ml=50ml, 250 ml=250ml, 330 ml=330ml, 500 ml=pół litra, 750 ml=750ml, 1000 ml=1 litr
bed | 70x140=70 na 140, 140x200=140 na 200, 160x200=160 na 200, 200x220=200 na 220
age | 3+=dla trzylatka, 5+=dla pięciolatka, 8+=dla ośmiolatka, 12+=dla nastolatka
pages | 12 szt=12 sztuk, 24 szt=24 sztuki, A4=duże a4, A5=małe a5
wheel | koła 20"=20 cali, koła 26"=26 cali, koła 28"=28 cali, rozm. M=m-ka
kilos | 1,5 kg=1.5kg, 3 kg=3kg, 10 kg=10kg, 15 kg=duży worek
grams | 100 g=100g, 250 g=250g, 500 g=pół kilo, 1 kg=kilogram
"""

# key | adjective as titles write it=what people type
FEATURES = """
outdoor | wodoodporny=na deszcz, ocieplany=na zimę, przewiewny=na lato, wysoki=za kostkę, oddychający=na upały
cloth | ocieplany=na zimę, luźny=oversize, dopasowany=slim, sportowy=na trening, elegancki=na wesele
bag | wodoodporny=na deszcz, pojemny=duży, składany=do złożenia, lekki=leciutki, sztywny=twardy
gift | elegancki=na prezent, delikatny=drobny, klasyczny=na co dzień, masywny=gruby
phone | wzmacniany=pancerny, bezprzewodowy=bez kabla, magnetyczny=na magnes, szybki=fast
tech | bezprzewodowy=bez kabla, gamingowy=dla graczy, przenośny=na wyjazd, podświetlany=led, cichy=do biura
appliance | cichy=bezgłośny, energooszczędny=oszczędny, kompaktowy=mały, inteligentny=wifi, automatyczny=samoczynny
tool | akumulatorowy=na baterię, profesjonalny=dla fachowca, bezszczotkowy=brushless, kompaktowy=mały
car | uniwersalny=do każdego auta, wzmacniany=mocny, tuningowy=tuning
kitchen | nieprzywierający=teflon, indukcyjny=na indukcję, składany=do złożenia, szczelny=nie cieknie
furniture | rozkładany=z funkcją spania, narożny=do rogu, tapicerowany=miękki, regulowany=z regulacją, smukły=wąski
home | antyalergiczny=dla alergika, puszysty=milutki, nowoczesny=modern, rustykalny=wiejski, okrągły=kółko
garden | składany=do złożenia, wytrzymały=mocny, solidny=porządny, mobilny=na kółkach
baby | składany=do złożenia, antyalergiczny=dla alergika, lekki=leciutki, obrotowy=360
toy | edukacyjny=do nauki, interaktywny=gadający, kreatywny=diy, duży=xxl, świecący=led
school | trzykomorowy=3 komory, kolorowy=tęczowy, zmywalny=spieralny, brokatowy=z brokatem
sport | antypoślizgowy=nie ślizga się, składany=do złożenia, regulowany=z regulacją, wodoodporny=na deszcz
beauty | nawilżający=do suchej skóry, matujący=do tłustej skóry, wegański=vegan, trwały=nie rozmazuje się
health | automatyczny=samoczynny, bezdotykowy=na podczerwień, naramienny=na ramię, cichy=bezgłośny
pets | bezzbożowy=bez zbóż, hipoalergiczny=dla alergika, duży=xxl, zbrylający=nie kurzy
food | ekologiczny=bio, naturalny=bez cukru, gorzki=wytrawny, aromatyczny=pachnący
"""

# adjective of titles | what people type
AUDIENCES = """
damski | dla niej, dla kobiety, kobiecy
męski | dla niego, dla faceta, dla mężczyzny
dziecięcy | dla dziecka, dla dzieci, dla malucha
dziewczęcy | dla dziewczynki, dla córki
chłopięcy | dla chłopca, dla syna
młodzieżowy | dla nastolatka, dla młodzieży
"""

SHOUTS = ["HIT!", "NOWOŚĆ", "PROMOCJA", "OKAZJA!", "SUPER", "PREMIUM", "TOP", "!!!", "MEGA", "-50%"]
TAILS = """
wygodne | na prezent | wysyłka 24h | gwarancja | oryginał | modne | polski produkt | kolory | FV | zestaw | GRATIS | \
HIT | PREMIUM | na co dzień | nowe | okazja | wyprzedaż | mocne | prezent | 2w1 | jakość | trwałe | na święta | \
najtaniej | SUPER CENA | dostawa gratis | outlet | bestseller | model 2026 | szybka wysyłka
"""
