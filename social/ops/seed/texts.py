"""Texts of made-up people: a small corpus, in which words, hashtags, links and people vary."""

import random
import re
from collections.abc import Callable, Sequence

SLOTS = {
    "city": "Porto|Tbilisi|Kyoto|Leeds|Accra|Lviv|Oaxaca|Turin|Busan|Bergen|Pune|Ghent|Valparaíso|Brno|Halifax",
    "food": "lentil soup|khachapuri|pierogi|mapo tofu|jollof|miso aubergine|plum cake|a very large salad|rye bread|"
    "pumpkin dumplings|fish stew|rice and beans",
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "animal": "heron|fox|hedgehog|tawny owl|stray cat|bumblebee|starling|otter|very round pigeon",
    "book": "a history of salt|a novel set entirely in a lift|letters between two astronomers|an atlas of islands|"
    "a book about moss|an old manual of knots",
    "tool": "a spreadsheet|a shell script|forty lines of Python|a fountain pen|a label maker|a bent paper clip",
    "sound": "rain on the roof|the neighbour's cello|a kettle|church bells|distant trains|children arguing about rules",
    "n": "3|4|5|7|9|11|12|14|17|20|23|31",
    "link": "https://example.org/notes/{n}|https://example.com/walks|www.example.net/{n}|"
    "https://example.org/recipes/bread?steps={n}",
}

POSTS: dict[str, Sequence[str]] = {
    "food": (
        "Made {food}. Made far too much of it. Inviting everybody. #cooking",
        "There are two kinds of kitchens: those with {food} in the fridge, and mine on a {day}.",
        "The secret is to wait {n} minutes longer than you think. #baking",
        "Note to self: the recipe says one teaspoon. It has always said one teaspoon.",
        "{food} for breakfast is not a cry for help, it is a plan.",
        "I wrote the whole method down, with all my mistakes, for everybody who asked: {link} #cooking #notes",
        "@{who} was right about the cast-iron pan. I will not be taking questions.",
        "Today's loaf.\n\nHydration: high.\nConfidence: low.\nResult: eaten before it had cooled. #baking",
    ),
    "city": (
        "First morning in {city}, and I have already found the good bakery.",
        "The night train to {city} is {n} minutes late, and nobody on the platform minds. #trains",
        "{city} smells of rain and oranges today.",
        "Walked {n} kilometres to see a bridge. It was closed. It was a beautiful bridge. #walking",
        "If you are ever in {city}, take the tram to the very last stop and walk back.",
        "Someone has been leaving tiny paper boats on the tram seats in {city}, each with a line of a poem in it. "
        "I have three by now. They do not rhyme, but they do get you through a {day}.",
        "Map people, help: what is the best paper map of {city}? @{who}?",
    ),
    "nature": (
        "A {animal} looked at me this morning as if I owed it money.",
        "The {animal} is back. Repeat: the {animal} is back. #birds",
        "Frost on every single blade of grass. Stood there for {n} minutes and was late for everything.",
        "Counted {n} swifts over the yard tonight. Summer is official. #birds",
        "The tomato plant that I gave up on in May has a flower.\n\nI am not crying, you are crying. #garden",
        "Sky did a thing. #sunset",
        "Learned today that moss has no roots at all. It simply decides to stay. #garden",
        "Low tide, long shadows, one {animal}. That is the whole post.",
    ),
    "work": (
        "Replaced a meeting with {tool}. Nobody has noticed yet. #work",
        "Fixed a bug by explaining it out loud to a {animal}. #python",
        "Today I deleted {n} lines and the tests still pass. Best {day} in a while. #python",
        "A good commit message is a letter to somebody tired.",
        "Hot take: names are the design. Everything else is typing.",
        "Spent two hours on a problem that a walk solved in ten minutes. Writing this down so that I believe it "
        "next time. #work",
        "Thread on how we moved our timetable to {tool}, what broke, and who laughed: {link}",
        "@{who} thank you for the review. You were kind, and right, in that order.",
        "Small joys: a progress bar that tells the truth.",
    ),
    "books": (
        "Halfway through {book}, and I have stopped reading so that it does not end. #books",
        "Found {book} in the free box outside the library. The dedication says “to {n} more years”.",
        "Reading {book} to the sound of {sound}. #books",
        "The library has abolished fines, and returned books are up by {n} per cent. People are fine, it turns out.",
        "What are you all reading? I need something slow. @{who}, you always know.",
    ),
    "music": (
        "Practised the same {n} bars all evening. The cat has left the room twice. #music",
        "Is there anything better than {sound} with the window open?",
        "Choir tonight: {n} altos, one brave tenor. #music",
        "Somebody was playing accordion under the bridge in {city}, badly, and with enormous joy.",
    ),
    "life": (
        "Good morning to everybody who is already tired.",
        "Reminder: drink water, stretch, answer that one message.",
        "My grandmother is {n} times better at cards than she admits.",
        "It is {day}. I checked.",
        "Has anyone seen my other glove? Asking for my left hand.",
        "Today a stranger held the door, the lift waited, and the soup was hot. Writing it down as evidence.",
        "Tiny update: it worked!",
        "You can just ring people up and say you miss them. Nobody told me. So I am telling you.",
        "Dear neighbour with the drill: it is {day}. Dear everybody else: earplugs, {n} pairs, come and get them.",
        "Thinking about how my mother ends every phone call {n} times.",
    ),
}

ENDS = (
    "That is all.|I stand by it.|More tomorrow.|Ask me how I know.|Nobody panic.|10/10.|Highly recommended.|"
    "I have no notes.|Anyway, {food}.|Send {food}.|It is {day}, after all.|☕|🌿|✨|🙂"
)
BEGINNINGS = (
    "Small update.|Unpopular opinion:|For the record:|Overheard in {city}:|A thing I noticed:|Dear diary,|{day}:|"
    "Good evening from {city}."
)

PICTURED = (
    "No filter, only luck.",
    "This was the view. I had forgotten to look up all week. #sunset",
    "From this evening's walk near {city}. #walking",
    "Worth the {n} steps up.",
    "Painted this from memory, so some of the hills are wrong.",
    "Good night, {city}.",
    "Weather report: yes. #sky",
    "@{who}, you said to send a picture. Here is a picture.",
)

# Each writer of a language has a few posts in it, with hashtags of its script.
OTHERS: dict[str, Sequence[str]] = {
    "es": (
        "Hoy llueve y me parece perfecto. #lluvia",
        "¿Quién se apunta a un café el {day}? @{who}",
        "El mejor pan de {city} lo hace mi vecino. No discuto.",
    ),
    "de": (
        "Der Zug nach {city} hat {n} Minuten Verspätung. Ich habe ein Buch. #bahn",
        "Heute Pflaumenkuchen. Für alle. #backen",
        "Wer hat Lust auf einen Spaziergang? @{who}",
    ),
    "pl": ("Dziś pierogi i dobra książka. #książki", "Bugün deniz çok güzel. #deniz", "Dobranoc, {city}."),
    "ru": ("Сегодня первый снег. #зима", "Гуляли у реки до темноты. Хорошо.", "@{who}, спасибо за книгу!"),
    "el": ("Καλημέρα από το λιμάνι! #θάλασσα", "Ο καφές σήμερα είναι τέλειος."),
    "ar": ("صباح الخير من الشرفة #صباح", "قهوة وكتاب ومطر خفيف.", "@{who} متى نلتقي؟"),
    "he": ("בוקר טוב לכולם #בוקר", "ספר טוב, תה חם, גשם בחוץ."),
    "hi": ("आज बारिश हुई और चाय बनी। #चाय", "सुबह की सैर सबसे अच्छी होती है।", "@{who} धन्यवाद!"),
    "ja": ("今日は空がきれいでした。 #空", "図書館で三時間。幸せ。 #読書", "@{who} ありがとう!"),
    "zh": ("今天的晚霞很美。 #晚霞", "一壶茶,一本书,一场雨。 #读书", "@{who} 周末见!"),
    "ko": ("오늘 하늘이 참 예쁘다. #하늘", "커피 한 잔과 책 한 권. #독서"),
    "th": ("วันนี้ฝนตกทั้งวัน #ฝน", "กาแฟร้อนกับหนังสือดีๆ"),
    "ka": ("დილა მშვიდობისა! #დილა", "დღეს ზღვა ძალიან ლამაზია."),
}

COMMENTS = (
    "This made my day.",
    "Yes!",
    "I needed this today.",
    "Where was this? It looks a lot like {city}.",
    "Same here, but with {food}.",
    "Please write more about this.",
    "My {animal} agrees.",
    "Took me {n} tries, and it was worth it.",
    "Ha!",
    "I disagree about the pan, but you argue well.",
    "@{who} look at this",
    "Saving this for {day}.",
    "I would read a whole book about it. Or {book}.",
    "So beautiful 😍",
    "❤️",
    "How long did it take you?",
    "You should come to {city} for this.",
    "I have been saying so for {n} years.",
)

REPLIES = (
    "Thank you!",
    "Exactly.",
    "About {n} minutes, and some luck.",
    "Next {day}? I can bring {food}.",
    "Ha, fair.",
    "It was in {city}!",
    "@{who} will tell you otherwise.",
    "Deal.",
    "Here is how: {link}",
)

_SLOT = re.compile(r"\{(\w+)\}")


def post(chance: random.Random, topic: str, language: str, who: Callable[[], str], *, pictured: bool = False) -> str:
    """Return a post about a topic, or in the writer's language; `who` names a person to be mentioned."""
    if pictured:
        return _filled(chance.choice(PICTURED), chance, who)
    if language in OTHERS and chance.random() < 0.4:
        return _filled(chance.choice(OTHERS[language]), chance, who)
    text = chance.choice(POSTS[topic])
    if "#" not in text and chance.random() < 0.4:
        text += " " + chance.choice(ENDS.split("|"))
    elif chance.random() < 0.15:
        text = chance.choice(BEGINNINGS.split("|")) + "\n\n" + text
    return _filled(text, chance, who)


def comment(chance: random.Random, who: Callable[[], str]) -> str:
    """Return a comment on a post."""
    return _filled(chance.choice(COMMENTS), chance, who)


def reply(chance: random.Random, who: Callable[[], str]) -> str:
    """Return a reply to a comment."""
    return _filled(chance.choice(REPLIES), chance, who)


def _filled(text: str, chance: random.Random, who: Callable[[], str]) -> str:
    """Return a text with its slots filled, each kind of them with one word; what fills the first begins with a capital.

    A link stays as it is.
    """
    chosen: dict[str, str] = {}

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name not in chosen:
            chosen[name] = who() if name == "who" else _SLOT.sub(fill, chance.choice(SLOTS[name].split("|")))
        return chosen[name]

    filled = _SLOT.sub(fill, text)
    return filled if text.startswith("{link}") else filled[0].upper() + filled[1:]
