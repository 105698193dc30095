"""Templates that the plots share: how a story opens, and how it comes to an end.

Every plot opens with <open> and, before it ends with <end>, draws `friend` and `kin`, which animal
the friend is.
"""

RULES = {
    "open": """
[[Once upon a time|Long ago|Not so long ago|Many summers ago|In my grandmother's day],
    {trait=trait.a} {kind=animal} [named|called] {hero=person} lived in {home=home.a} <where>.
|In {home=home.a} <where> there lived {trait=trait.a} {kind=animal} [named|called] {hero=person}.
|{hero=person} was {trait=trait.a} {kind=animal} who lived in {home=home.a} <where>.
|This is the story of {hero=person}, {trait=trait.a} {kind=animal} who lived in {home=home.a}
    <where>.]
""",
    "where": """
[by the river|near the woods|at the end of a muddy lane|on top of a hill|at the edge of the village
|beyond the orchard|by the sea|not far from the market|in a quiet valley
|on a tiny island|between two hills|next to the school]
""",
    "pal": "[best friend|neighbour|old friend|good friend|dear friend|playmate]",
    "time": "[morning|afternoon|evening]",
    "said": "[said|replied|answered]",
    "end": """
[[From then on|From that day on|After that], the {trait} {kind} and the {kin} [were the best of friends
    |were as close as two peas in a pod|had supper together every Sunday
    |never quarrelled for longer than a minute].
|That night there was [singing|dancing|laughter] in {home.the}, and the {kin} [stayed until midnight
    |laughed the loudest|fell asleep under the table|told the whole story again].
|So the {trait} {kind} went [home|back] to {home.the} with a [happy|light|warm] heart, and
    {friend} went [too|along for supper|whistling home].
|[These days|Nowadays|Now] the {kin} has a [chair|cup|pillow] of {friend.his} own in {home.the}, right
    beside that of the {trait} {kind}, [by the window|by the stove|just in case].
|If you ever pass {home.the}, [knock twice|look in at the window|stop and listen]: {hero} and the
    {kin} will [tell you all about it|be glad to see you|be playing cards|be laughing about it still].]
""",
}
