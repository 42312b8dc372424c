"""Names of made-up people in several scripts: each with the Latin letters from which the username is made."""

import random
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple


class Language(NamedTuple):
    """Given and family names of a language, each as written and in Latin letters, and which of them comes first."""

    code: str
    share: int
    given: str
    family: str
    family_first: bool = False
    between: str = " "


# Pairs `written=latin`, or one word where it is Latin already.
LANGUAGES = (
    Language(
        "en",
        34,
        "Ada Ben Clara Dev Ella Finn Grace Hugo Iris Jonah Kit Lena Marcus Nell Owen Priya Quinn Rosa Sam Tess Uma "
        "Victor Wren Zoe Amara Kofi Naomi Elliot Maya Theo",
        "Abbott Bennett Carter Dawson Ellis Foster Grant Hughes Irving Jensen Keller Lowe Marsh Nolan Okafor Price "
        "Quill Reyes Shaw Turner Underhill Vance West Young Mensah Patel Rossi Lindqvist",
    ),
    Language(
        "es",
        10,
        "Lucía=lucia Mateo Sofía=sofia Martín=martin Inés=ines Andrés=andres Belén=belen Óscar=oscar Núria=nuria "
        "Joaquín=joaquin Carmen Iker",
        "Núñez=nunez García=garcia Ibáñez=ibanez Muñoz=munoz Peña=pena Vidal Castro Rojas Serrano Ferrer",
    ),
    Language(
        "de",
        7,
        "Jörg=joerg Käthe=kaethe Lukas Mia Jürgen=juergen Hanna Søren=soren Åsa=asa Björn=bjoern Freya Matthias",
        "Müller=mueller Weiß=weiss Schäfer=schaefer Krüger=krueger Lang Sjöberg=sjoeberg Vogel Østby=ostby Brandt",
    ),
    Language(
        "pl",
        6,
        "Zofia Łukasz=lukasz Małgorzata=malgorzata Şebnem=sebnem Çağla=cagla Jiří=jiri Žofie=zofie Ștefan=stefan "
        "Emre Agnieszka",
        "Wójcik=wojcik Łoś=los Yıldız=yildiz Dvořák=dvorak Kowalska Ionescu Şahin=sahin Novák=novak Zając=zajac",
    ),
    Language(
        "ru",
        7,
        "Анна=anna Борис=boris Вера=vera Дмитрий=dmitri Оксана=oksana Юлия=yulia Тарас=taras Мила=mila Павел=pavel",
        "Волков=volkov Орлова=orlova Шевченко=shevchenko Ковалёва=kovaleva Зимин=zimin Бондар=bondar Соколова=sokolova",
    ),
    Language(
        "el",
        3,
        "Ελένη=eleni Νίκος=nikos Σοφία=sofia Γιώργος=giorgos Δάφνη=dafni",
        "Παππάς=pappas Νικολάου=nikolaou Δήμου=dimou Βλάχος=vlachos",
    ),
    Language(
        "ar",
        6,
        "ليلى=layla عمر=omar مريم=maryam يوسف=yusuf سارة=sara كريم=karim نور=nour هدى=huda",
        "حداد=haddad منصور=mansour النجار=najjar خليل=khalil عباس=abbas سليم=salim",
    ),
    Language(
        "he",
        3,
        "נועה=noa איתי=itai תמר=tamar יונתן=yonatan מאיה=maya",
        "לוי=levi כהן=cohen ברק=barak שלום=shalom",
    ),
    Language(
        "hi",
        7,
        "आशा=asha रोहन=rohan मीरा=meera अर्जुन=arjun काव्या=kavya विक्रम=vikram नेहा=neha",
        "शर्मा=sharma वर्मा=varma जोशी=joshi गुप्ता=gupta नायर=nair मेहता=mehta",
    ),
    Language(
        "ja",
        7,
        "さくら=sakura 健太=kenta 陽菜=hina 大輔=daisuke 美咲=misaki 蓮=ren ユイ=yui",
        "佐藤=sato 田中=tanaka 高橋=takahashi 小林=kobayashi 森=mori 山本=yamamoto",
        family_first=True,
    ),
    Language(
        "zh",
        7,
        "小明=xiaoming 丽华=lihua 子涵=zihan 伟=wei 静怡=jingyi 思远=siyuan 雨桐=yutong",
        "王=wang 李=li 陈=chen 林=lin 张=zhang 赵=zhao 吴=wu",
        family_first=True,
        between="",
    ),
    Language(
        "ko",
        4,
        "지우=jiwoo 민준=minjun 서연=seoyeon 하은=haeun 도윤=doyun",
        "김=kim 이=lee 박=park 최=choi 정=jung",
        family_first=True,
        between="",
    ),
    Language("th", 2, "อรุณ=arun มาลี=malee ชัย=chai ดาว=dao", "สุขใจ=sukjai ทองดี=thongdee ศรีสุข=srisuk"),
    Language("ka", 2, "ნინო=nino გიორგი=giorgi თამარ=tamari ლუკა=luka", "მელაძე=meladze კალანდია=kalandia"),
)

_TRADES = (
    "baker botanist cartographer cellist cook cyclist editor gardener geologist glassblower illustrator joiner "
    "librarian luthier mechanic meteorologist midwife nurse optician photographer physicist plumber potter printer "
    "sailor teacher translator typesetter vet weaver"
)
_JOYS = (
    "long trains|strong tea|old maps|bad puns|night swimming|wild yeast|slow mornings|second-hand books|tall ships|"
    "quiet keyboards|hot springs|paper planes|mountain huts|cold apples|big skies|small museums|lost gloves|"
    "fountain pens|rainy Sundays|open windows"
)
_PLACES = (
    "Porto|Tbilisi|Kyoto|Leeds|Accra|Lviv|Oaxaca|Turin|Busan|Bergen|Pune|Thessaloniki|Haifa|Ghent|Valparaíso|"
    "Chiang Mai|Beirut|Brno|Xiamen|Halifax"
)


class Name(NamedTuple):
    """The names of a person, and the language that the person writes in beside English."""

    username: str
    display_name: str
    language: str


def some(count: int, chance: random.Random) -> Iterator[Name]:
    """Yield so many names; no username comes twice."""
    taken: set[str] = set()
    shares = [each.share for each in LANGUAGES]
    for language in chance.choices(LANGUAGES, shares, k=count):
        given, family = _pair(language.given, chance), _pair(language.family, chance)
        parts = (family, given) if language.family_first else (given, family)
        shown = language.between.join(part[0] for part in parts)
        yield Name(_free(given[1], family[1], taken, chance), shown, language.code)


def bio(chance: random.Random) -> str:
    """Return a line about a person."""
    trade, place = chance.choice(_TRADES.split()), chance.choice(_PLACES.split("|"))
    joys = chance.sample(_JOYS.split("|"), 2)
    shape = chance.choice(
        (
            "{trade} in {place}. {one}, {other}.",
            "By day a {trade}, by night {one}. {place}.",
            "{one} and {other}. {place} is home.",
            "Here for {one}. Also a {trade}.",
            "{trade}, {place} 📍 mostly {one}",
        )
    )
    said = shape.format(trade=trade, place=place, one=joys[0], other=joys[1])
    return said[0].upper() + said[1:]


def _pair(words: str, chance: random.Random) -> tuple[str, str]:
    written, _, latin = chance.choice(words.split()).partition("=")
    return written, latin or written.lower()


def _free(given: str, family: str, taken: set[str], chance: random.Random) -> str:
    shapes = [f"{given}_{family}", f"{given}{family}", f"{given}_{family[0]}", f"{family}_{given}"]
    chance.shuffle(shapes)
    for number in chain([""], map(str, range(2, 10_000))):
        for shape in shapes:
            username = f"{shape[:25]}{number}"
            if len(username) >= 5 and username not in taken:
                taken.add(username)
                return username
    raise AssertionError("ten thousand people have one name")
