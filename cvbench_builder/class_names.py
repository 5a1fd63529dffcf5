"""Class names: plurals, stuff, mass nouns, and names that may mean the same object.

A name is unusable if it names nothing (dontcare, unknown), if it is stuff (without separate instances), if it cannot be
counted (a mass noun or a plural-only noun), or if it clashes with another name in the image (a synonym, a hypernym, or
its head noun: lamp and table lamp).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from cvbench_builder.catalog import Bools, ClassName


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Labels of regions that nobody named, among them those that the reference loader of Omni3D ignores.
UNNAMED = _words(
    """dontcare ignore void ignored unknown unlabeled unlabelled other others background misc miscellaneous undefined
    none n/a -"""
) | frozenset({"don't care", "dont care"})

# The stuff classes of ADE20K's division into things and stuff, and those that users reported in the published set
# (walls, floors, beams as objects).
STUFF = _words(
    """wall sky floor flooring ceiling road route street grass sidewalk pavement earth ground mountain
    mount tree water sea ocean field sand river lake path land soil hill runway dirt track building
    edifice rock stone waterfall swimming pool pool-water beam column-wall snow forest vegetation
    ceiling-beam wainscot partition baseboard crossbeam roof beach shore hay leaves bush
    shrub bushes plants cloud clouds fog smoke shadow"""
) | frozenset({"swimming pool", "dirt track", "body of water", "plant life", "mountain pass", "hill pass"})
STUFF -= {"swimming", "pool", "track", "column-wall", "ceiling-beam", "pool-water", "dirt"}

# Names that end in one of these are stuff too: hill grass, snowy mountain, brick wall.
_STUFF_HEADS = _words(
    """grass grassland mountain hill hillside field sky wall floor ceiling ground land soil sand desert water sea
    ocean river snow road street sidewalk pavement forest vegetation pass"""
)

MASS = _words(
    """food apparel clothes clothing wearing apparel laundry luggage baggage merchandise stationery
    furniture equipment machinery hardware jewelry cutlery silverware tableware crockery glassware
    paper fabric cloth bread rice meat fruit cheese butter milk coffee tea juice soup salad sugar salt
    flour pasta broccoli spinach lettuce celery corn hair fur skin wood metal plastic gravel mud dust
    garbage trash rubbish waste debris firewood foliage ivy moss wheat straw produce greenery
    gear text writing graffiti decoration lace wool cotton leather money cash bedding linen toiletry
    shrubbery hedge seafood poultry popcorn candy chocolate pizza-dough ice steam fire pottery ceramics ware earthenware
    piping tubing paving netting panelling paneling seating lighting heating scaffolding bamboo cargo shampoo chess
    vapor vapour mist tennis roasting rafting steering scrapping"""
) | frozenset(
    {
        "dirty dishes",
        "ice cream",
        "stained glass",
        "decorative glass",
        "toilet paper",
        "toilet tissue",
        "animal toy hair",
    }
)
MASS -= {"wearing", "apparel-item"}

PLURAL_ONLY = _words(
    """skis clothes trousers pants jeans shorts pajamas pyjamas tights leggings glasses spectacles
    eyeglasses sunglasses goggles binoculars headphones earphones pliers tongs tweezers stairs steps
    bleachers scales curtains drapes blinds shutters shelves books potatoes groceries goods barracks
    gallows handcuffs overalls suspenders swimming trunks shoes boots slippers gloves socks sandals
    toys bottles flowers cards chips fries noodles beans grapes vegetables fruits crossbars rails
    menus skates rollerblades snowshoes flip-flops monkey-bars bars"""
) | frozenset({"swimming trunks", "monkey bars", "roller skates", "ice skates", "opera glasses"})
PLURAL_ONLY -= {"swimming", "trunks"}

# Singular words that end in -s.
_SINGULAR_S = _words(
    """bus minibus trolleybus gas lens canvas compass atlas iris cactus platypus walrus hippopotamus octopus
    christmas kudos chassis tennis trellis mattress glass dress press hourglass chess cross mistress
    abacus apparatus campus circus corpus eucalyptus hibiscus crocus bonus virus terminus omnibus
    asparagus scissors"""
)

_PLURAL_EXCEPTIONS = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "goose": "geese",
    "foot": "feet",
    "tooth": "teeth",
    "ox": "oxen",
    "die": "dice",
    "cactus": "cacti",
    "sheep": "sheep",
    "fish": "fish",
    "deer": "deer",
    "moose": "moose",
    "bison": "bison",
    "swine": "swine",
    "aircraft": "aircraft",
    "spacecraft": "spacecraft",
    "hovercraft": "hovercraft",
    "offspring": "offspring",
    "scissors": "pairs of scissors",
    "knife": "knives",
    "life": "lives",
    "wife": "wives",
    "leaf": "leaves",
    "loaf": "loaves",
    "shelf": "shelves",
    "bookshelf": "bookshelves",
    "half": "halves",
    "calf": "calves",
    "wolf": "wolves",
    "thief": "thieves",
    "scarf": "scarves",
    "dwarf": "dwarves",
    "elf": "elves",
    "sheaf": "sheaves",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "hero": "heroes",
    "echo": "echoes",
    "mango": "mangoes",
    "buffalo": "buffaloes",
    "volcano": "volcanoes",
    "mosquito": "mosquitoes",
    "tornado": "tornadoes",
    "bus": "buses",
    "quiz": "quizzes",
    "passerby": "passersby",
    "gas": "gases",
}

# Is-a links between names that occur as classes, beside those that a source has.
_HYPERNYMS = {
    "armchair": ("chair", "seat"),
    "swivel chair": ("chair", "seat"),
    "chair": ("seat",),
    "sofa": ("seat",),
    "couch": ("seat",),
    "stool": ("seat",),
    "ottoman": ("seat",),
    "bench": ("seat",),
    "bar stool": ("stool", "seat"),
    "coffee table": ("table",),
    "pool table": ("table",),
    "dining table": ("table",),
    "desk": ("table",),
    "night stand": ("table",),
    "nightstand": ("table",),
    "screen door": ("door",),
    "table lamp": ("lamp", "light"),
    "floor lamp": ("lamp", "light"),
    "desk lamp": ("lamp", "light"),
    "lamp": ("light",),
    "chandelier": ("light",),
    "sconce": ("light", "lamp"),
    "streetlight": ("light", "lamp"),
    "traffic light": ("light",),
    "crt screen": ("screen", "monitor"),
    "monitor": ("screen",),
    "palm": ("tree", "plant"),
    "tree": ("plant",),
    "flower": ("plant",),
    "potted plant": ("plant",),
    "pillow": ("cushion",),
    "minibike": ("motorcycle",),
    "bannister": ("railing",),
    "countertop": ("counter",),
    "kitchen island": ("counter",),
    "car": ("vehicle",),
    "truck": ("vehicle",),
    "bus": ("vehicle",),
    "van": ("vehicle", "car"),
    "minivan": ("vehicle", "car", "van"),
    "taxi": ("vehicle", "car"),
    "jeep": ("vehicle", "car"),
    "motorcycle": ("vehicle",),
    "bicycle": ("vehicle",),
    "ship": ("boat",),
    "dog": ("animal",),
    "cat": ("animal",),
    "horse": ("animal",),
    "cow": ("animal",),
    "sheep": ("animal",),
    "bird": ("animal",),
    "elephant": ("animal",),
    "bear": ("animal",),
    "zebra": ("animal",),
    "giraffe": ("animal",),
    "man": ("person",),
    "woman": ("person",),
    "child": ("person",),
    "boy": ("child", "person"),
    "girl": ("child", "person"),
    "pedestrian": ("person",),
    "cyclist": ("person",),
    "wine glass": ("glass",),
    "laptop": ("computer",),
    "mug": ("cup",),
    "bookcase": ("shelf", "furniture"),
    "teddy bear": ("plaything", "toy"),
}

# The last word of these is not a hypernym.
_NOT_ITS_HEAD = frozenset({"hot dog", "sea horse", "sea lion", "guinea pig", "prairie dog", "fire engine"})


def plural(name: str, style: str) -> str:
    """The plural in the question: `published` adds an s, `proper` is correct English."""
    if style == "published":
        return name + "s"
    head, _, last = name.rpartition(" ")
    if name in _PLURAL_EXCEPTIONS:
        return _PLURAL_EXCEPTIONS[name]
    prefix = f"{head} " if head else ""
    if last in _PLURAL_EXCEPTIONS:
        return prefix + _PLURAL_EXCEPTIONS[last]
    if last.endswith("man") and last not in ("human", "german", "shaman", "talisman", "caiman", "ottoman"):
        return f"{prefix}{last[:-3]}men"
    if last.endswith("person"):
        return f"{prefix}{last[:-6]}people"
    if last.endswith(("s", "x", "z", "ch", "sh")):
        return prefix + (last if last in PLURAL_ONLY else last + "es")
    if last.endswith("y") and len(last) > 1 and last[-2] not in "aeiou":
        return f"{prefix}{last[:-1]}ies"
    return prefix + last + "s"


def is_unnamed(name: str) -> bool:
    """Whether a label stands for a region without a name, such as dontcare."""
    return name in UNNAMED


def is_stuff(name: str) -> bool:
    """Whether a name means a region without separate instances, such as sky or hill grass."""
    if name in STUFF or name in UNNAMED:
        return True
    last = singular(name.rpartition(" ")[2])
    return singular(name) in STUFF or (" " in name and last in _STUFF_HEADS)


def is_uncountable(name: str) -> bool:
    """Whether a name is a mass noun or exists only as a plural."""
    last = name.rpartition(" ")[2]
    if name in MASS or last in MASS or name in PLURAL_ONLY or last in PLURAL_ONLY:
        return True
    return last.endswith("s") and not last.endswith(("ss", "us", "is")) and last not in _SINGULAR_S


def clean(name: str) -> str:
    """Lower case with single spaces: the form in which names are compared."""
    return " ".join(name.split()).lower()


@lru_cache(maxsize=65536)
def singular(name: str) -> str:
    """An approximate singular, only for comparing names."""
    head, _, last = name.rpartition(" ")
    prefix = f"{head} " if head else ""
    for one, many in _PLURAL_EXCEPTIONS.items():
        if last == many and one != many:
            return prefix + one
    if last in _SINGULAR_S or last.endswith(("ss", "us", "is")) or len(last) < 4:
        return name
    if last.endswith("ies"):
        return f"{prefix}{last[:-3]}y"
    if last.endswith(("ches", "shes", "xes", "sses", "zes")):
        return prefix + last[:-2]
    return prefix + last[:-1] if last.endswith("s") else name


def class_name(names: Sequence[str], hypernyms: Sequence[str] = ()) -> ClassName:
    """A class from its synonyms, the first of which is its name; built-in hypernyms join those of the source."""
    synonyms = tuple(dict.fromkeys(clean(n) for n in names if clean(n))) or ("unknown",)
    above: list[str] = [clean(h) for h in hypernyms]
    for name in synonyms:
        above.extend(_HYPERNYMS.get(name, ()))
    name = synonyms[0]
    # the head noun: a table lamp is a lamp
    if " " in name and name not in _NOT_ITS_HEAD:
        words = name.split()
        above.extend(" ".join(words[i:]) for i in range(1, len(words)))
    own = set(synonyms)
    return ClassName(synonyms[0], synonyms, tuple(dict.fromkeys(h for h in above if h and h not in own)))


def clashes(classes: Sequence[ClassName]) -> Bools:
    """[n, n]: True if two different classes share a name or the name of one is a hypernym of the other."""
    by_name: dict[str, list[int]] = {}
    for i, item in enumerate(classes):
        for name in {singular(s) for s in item.synonyms}:
            by_name.setdefault(name, []).append(i)
    matrix = np.zeros((len(classes), len(classes)), bool)
    for i, item in enumerate(classes):
        for name in {singular(s) for s in (*item.synonyms, *item.hypernyms)}:
            for j in by_name.get(name, ()):
                if j != i:
                    matrix[i, j] = matrix[j, i] = True
    return matrix
