"""The words that stories draw: who, what and where, each with the forms that sentences need."""

from tinygpt.tales.grammar import Word


def _listed(text: str) -> list[str]:
    return [" ".join(entry.split()) for entry in text.split(",")]


def _nouns(text: str) -> list[Word]:
    """Forms name, a. Nouns and adjectives that begin with a consonant: their article is "a"."""
    return [Word(name=noun, a=f"a {noun}") for noun in _listed(text)]


def _houses(text: str) -> list[Word]:
    """Forms name, a, the."""
    return [Word(name=noun, a=f"a {noun}", the=f"the {noun}") for noun in _listed(text)]


def _people(text: str, pronouns: str) -> list[Word]:
    """Forms name, he, him, his (which may be she, her, her)."""
    he, him, his = pronouns.split()
    return [Word(name=name, he=he, him=him, his=his) for name in _listed(text)]


def _deeds(text: str) -> list[Word]:
    """Forms name ("see the sea"), did ("saw the sea"), doing ("seeing the sea")."""
    deeds = []
    for entry in _listed(text):
        verbs, rest = entry.split(" ", 1)
        name, did, doing = verbs.split("/")
        deeds.append(Word(name=f"{name} {rest}", did=f"{did} {rest}", doing=f"{doing} {rest}"))
    return deeds


def _places(text: str) -> list[Word]:
    """Forms name ("the old bridge"), at ("under the old bridge")."""
    return [Word(name=entry.split(" ", 1)[1], at=entry) for entry in _listed(text)]


CATEGORIES = {
    "hero": _people(
        """
        Ada, Ann, Cora, Ella, Eva, Fay, Ida, Jane, Liz, Lotte, Mia, Poppy, Tilda
        """,
        "she her her",
    )
    + _people(
        """
        Ben, Dan, Felix, Gus, Hugo, Jim, Leo, Max, Otto, Paul, Sam, Tim, Tom
        """,
        "he him his",
    ),
    "friend": _people(
        """
        Amy, Bea, Dot, Greta, Ivy, Kate, Meg, Nell, Olga, Peg, Rosa, Vera, Zoe
        """,
        "she her her",
    )
    + _people(
        """
        Alf, Bob, Carl, Fred, Hal, Jack, Kurt, Ned, Nick, Pit, Rex, Ted, Toby
        """,
        "he him his",
    ),
    "animal": _nouns(
        """
        hedgehog, mouse, mole, rabbit, badger, raccoon, fox, frog, toad, beaver, squirrel, bear,
        newt, bat, hare, weasel, marten, vole
        """
    ),
    "beast": _nouns(
        """
        duck, goose, hen, goat, lamb, pony, cat, dog, pig, donkey, crow, robin, swan, magpie,
        heron, calf, turkey, parrot
        """
    ),
    "trait": _nouns(
        """
        shy, bold, calm, wise, sly, plump, quick, stout, grumpy, clever, sleepy, proud, gentle,
        patient, merry, lazy, brave, tidy, jolly, nosy, polite, young, stern, small, busy, cheeky,
        dreamy, fussy
        """
    ),
    "thing": _nouns(
        """
        kite, umbrella, drum, pot, pan, bell, ball, scarf, hat, key, spoon, cup, ribbon, ring,
        clock, coat, cap, book, mug, fan, pillow, fiddle, bucket, mitten, comb, sock, whistle,
        basket, teapot, flute
        """
    ),
    "treat": _nouns(
        """
        lantern, ladder, mirror, cushion, wheelbarrow, trumpet, rocking horse, hammock, carpet,
        barometer, sledge, parasol, telescope, waistcoat
        """
    ),
    "instrument": _nouns(
        "tuba, banjo, gong, trombone, guitar, bugle, bassoon, zither, harmonica, bagpipe"
    ),
    "trinket": _nouns(
        """
        vase, jug, snow globe, music box, china doll, candlestick, sugar tin, picture frame,
        saucer, chessboard
        """
    ),
    "look": _nouns(
        """
        red, blue, yellow, green, purple, pink, crimson, white, brown, silver, golden, striped,
        spotted, shiny, little, tartan, grey, black
        """
    ),
    "make": _nouns(
        """
        wooden, velvet, woollen, copper, rusty, crooked, paper, leather, knitted, patched, folding,
        squeaky
        """
    ),
    "home": _houses(
        """
        mossy cottage, windmill, hollow tree, red barn, tiny castle, lighthouse, boathouse, tall
        tower, cosy burrow, painted wagon, dusty attic, railway carriage, greenhouse, stone hut,
        tree house, cider barrel, garden shed, snug cave, hay loft
        """
    ),
    "place": _places(
        """
        under the old bridge, behind the mill, beside the well, inside the hollow oak, on the
        church steps, beside the pond, under the apple tree, behind the haystack, in the tall
        grass, near the beehives, on the garden wall, beside the pigsty, in the blackberry bushes,
        under the market stall, behind the bakery, on the station bench, in the cabbage patch,
        near the crossroads
        """
    ),
    "food": _nouns(
        """
        plum cake, peach pie, pot of honey, loaf of bread, cheese tart, jar of jam, plate of
        pancakes, bag of cherries, nut roast, carrot salad, dish of dumplings, blueberry muffin,
        treacle pudding, ginger biscuit, bowl of porridge, lemon ice, cinnamon roll, raisin scone,
        slice of toast, walnut cream
        """
    ),
    "dish": _nouns(
        """
        pumpkin stew, leek soup, heap of noodles, cabbage roll, tomato sauce, barley broth, mushroom
        omelette, spinach curry, fish pie, bean hotpot, turnip mash, rice ball
        """
    ),
    "wish": _deeds(
        """
        see/saw/seeing the sea, fly/flew/flying in a balloon, dance/danced/dancing at the royal
        ball, sleep/slept/sleeping under the stars, ride/rode/riding on a train, sing/sang/singing
        on a stage, build/built/building a real boat, climb/climbed/climbing the highest hill,
        grow/grew/growing a giant turnip, write/wrote/writing a long poem, meet/met/meeting the
        queen, find/found/finding the end of the rainbow, cross/crossed/crossing the wide river,
        paint/painted/painting the moon
        """
    ),
    "chore": _deeds(
        """
        water/watered/watering the beans, feed/fed/feeding the goldfish, sweep/swept/sweeping the
        steps, mend/mended/mending the fence, post/posted/posting the letters,
        close/closed/closing the gate, dust/dusted/dusting the shelves, chop/chopped/chopping the
        wood, wash/washed/washing the windows, polish/polished/polishing the boots,
        pick/picked/picking the plums, rake/raked/raking the leaves, shell/shelled/shelling the
        peas, light/lit/lighting the stove
        """
    ),
    "job": _nouns(
        """
        miller, baker, tailor, cobbler, gardener, teacher, doctor, smith, farmer, painter, weaver,
        sailor, barber, grocer, piper, mayor
        """
    ),
    "sky": [
        Word(name=name, noun=noun)
        for name, noun in (entry.split("/") for entry in _listed(
            """
        rainy/rain, windy/wind, foggy/fog, snowy/snow, stormy/storm, breezy/breeze, frosty/frost,
        misty/mist
        """
        ))
    ],
    "day": _nouns("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    "number": _nouns("two, three, four, five, six, seven, eight, nine, ten, twelve"),
    "cry": _nouns(
        """
        Goodness gracious, Oh crumbs, Fiddlesticks, Well I never, Good heavens, Dear me, Oh dear,
        My hat, Oh my stars, Bless me, Good grief, Pickles and plums, My word, Great snakes
        """
    ),
}  # fmt: skip
