"""Materials, sizes, features, audiences and the words that sellers add; read as `traits` says."""

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
