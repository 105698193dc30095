"""Templates that the plots share: how a story opens, and how it comes to an end.

Every plot opens with <open> and, before it ends with <end>, draws `friend` and `kin`, which animal
the friend is.
"""

RULES = {
    "open": """
[[Once upon a time|Long ago|Not so long ago|Many summers ago|In my grandmother's day], {hero=hero}
    the {trait=trait} {kind=animal} lived in {home=home.a} <where>.|In {home=home.a} <where> there
    lived {hero=hero} the {trait=trait} {kind=animal}.|{hero=hero} the {trait=trait}
    {kind=animal} lived in {home=home.a} <where>.|This is the story of {hero=hero} the
    {trait=trait} {kind=animal}, who lived in {home=home.a} <where>.]
""",
    "where": """
[by the river|near the woods|at the end of a muddy lane|on top of a hill|at the edge of the
    village|beyond the orchard|by the sea|not far from the market|in a quiet valley|on a tiny
    island|between two hills|next to the school]
""",
    "pal": "[best friend|neighbour|old friend|good friend|dear friend|playmate]",
    "time": "[morning|afternoon|evening]",
    "end": """
[[From then on|From that day on|After that], {hero} and {friend} [dined|cooked|worked|played]
    together in {home.the}.|That night {friend} [sang|danced|told jokes] in {home.the} [until
    dawn|for hours|till the candles went out].|So {hero} went [home|back] to {home.the}
    [whistling|singing|smiling], and {friend} [went too|waved].|[These days|Nowadays|Now] {friend}
    has a [chair|bed|corner] in {home.the}, [by the window|by the stove|under the roof].|In
    {home.the}, {hero} and {friend} [laugh|talk|sing|joke] about it [still|to this day|every
    winter].]
""",
}
