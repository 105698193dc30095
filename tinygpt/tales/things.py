"""Plots about things: lost, found, lent, given, swapped, broken, sent, dug up."""

THINGS = {
    "lost": """
<open>
[Of all {hero.his} things, {hero.he} loved {look=look.a} {thing=thing} the most.|What {hero.he}
    loved more than anything was {look=look.a} {thing=thing}, [a gift from {hero.his}
    grandmother|won at the summer fair].|{hero.He} was never seen without {look=look.a}
    {thing=thing}, [at work or at play|not even in the bath].]
[But one|Then, one] {sky=sky} <time>, it was gone.
"{cry=cry}!" cried {hero}, and looked [under the bed|behind the stove|in every cupboard|up the
    chimney], but there was only [a button|a heap of dust|a very surprised spider|half a sandwich].
[In the lane|At the corner|On the road], {hero.he} met {friend=friend} the {kin=beast}, who was
    [carrying|eating|proudly holding] {food=food.a}.
"Have you seen my {look} {thing}?" asked {hero}.
["No," said {friend}, "but [I am good at looking|two can look better than one].|"Not today," said
    {friend}, "but [do not worry|we shall find it].] Where did you play last?"
{hero} thought [hard|for a while|until {hero.his} ears were hot]. "{place=place.At}!"
[Off|Away|Together] they ran, and there {place.at} lay the {look} {thing}, [safe and sound|with a
    snail asleep on it|just as it had been left].
"{cry}!" said {hero} again, but this time [with a laugh|it was for joy|very softly].
Then {hero}, {friend} and the {look} {thing} sat down {place.at}, and the {food} was
    [eaten|shared], [down to the last crumb|and nothing had ever tasted better|and the birds got
    the rest].
<end>
""",
    "found": """
<open>
One {sky=sky} <time>, {hero.he} found {look=look.a} {thing=thing} {place=place.at}.
"{cry=cry}!" [Nobody was near|There was no name on it|It looked quite lonely], so {hero} [took it
    home|picked it up].
[All night {hero.he} lay awake|{hero.He} could not eat a bite|{hero.He} wanted very much to keep
    it]. "[Somebody|Someone] must be [looking|crying] for it," {hero.he} thought.
So {hero.he} [hung up a sign|wrote a notice|put up a note]: "Found {place.at}: {look.a} {thing}.
    Please come to {home.the}."
[The very next day|Before supper|At midnight] there was a [knock|tap|thump] at the door. Outside
    stood {friend=friend} the {kin=beast}, [out of breath|red in the face|hat in hand].
"{cry}! [Is it true|Can it be]?" asked {friend}. "I lost it {place.at}, [and I have looked
    everywhere|and I have not slept since|on my birthday]."
{hero} [ran to fetch|brought out|took down] the {look} {thing}, and {friend} [hugged it|jumped for
    joy|kissed it three times].
[To say thank you|As a reward|In return], {friend.he} came back with {food=food.a} [in a basket|on a
    tray|under a clean white cloth].
And {place.at} they still meet, the {look} {thing} between them, [every week|every Sunday|when the
    sun shines].
<end>
""",
    "lent": """
<open>
One {day=day}, {hero.his} <pal> {friend=friend} the {kin=beast} came to the door. "May I borrow
    your {look=look} {thing=thing} [for my sister's wedding|to scare the mice away|to show it to my
    aunt]? You shall have it back in {number=number} days, [I promise|upon my honour|word for
    word]."
The days [went by|passed|came and went], and [nobody knocked|nothing happened|there was no sign of
    {friend}] at {home.the}.
"{cry=cry}!" said {hero}. "[A promise is a promise|This will not do|I shall go and see]."
Through [wind and rain|fog and mud|field and wood], {hero} [marched|walked|hurried] to find
    {friend}.
There {friend.he} was {place=place.at}, [fast asleep|snoring|dreaming sweetly], with the {look}
    {thing} [at {friend.his} side|in both arms|on {friend.his} head].
"Wake up!" said {hero}. "[What about|Have you forgotten] your promise?" {friend} [turned pink|sat
    up|blinked]. "{cry}! Is it [time|spring|winter] already?"
To make up for it, {friend} [brought|fetched|served] {food=food.a}, which they ate right there
    {place.at}.
[Ever since|Since then], the {look} {thing} has [stayed at home|never been lent again|had a lock on
    it].
<end>
""",
    "gift": """
<open>
[Soon came|The next day was|In a week came] the birthday of {hero.his} <pal> {friend=friend} the
    {kin=beast}.
"{cry=cry}! What shall I give {friend.him}?" said {hero}, who had only {number=number} coins.
At the market the {job=job} was selling {look=look.a} {thing=thing}, [which looked like new|and only
    one was left|just the right size].
"It costs more than that," was the answer, "but you may have it [if you help me with|for a day of]
    {chore=chore.doing}."
So {hero} spent {day=day} {chore.doing}, [singing all the while|until it grew dark|and did it twice,
    to be sure].
Then {hero} wrapped up the {look} {thing} [in yellow paper|in a cabbage leaf|in an old map] and hid
    it {place=place.at}.
"{cry}!" [cried|said|laughed] {friend} when {friend.he} opened it. "You spent a whole day
    {chore.doing}, only for me? [Nobody has ever done that!|That is the best part!|You hate that!]"
The coins bought {food=food.a}, and {hero} [ate|shared] it with {friend} [by candlelight|with two
    spoons|on the floor] in {home.the}, beside the {look} {thing}.
<end>
""",
    "swap": """
<open>
{hero.He} had {look=look.a} {thing=thing}, but {hero.his} <pal> {friend=friend} the {kin=beast} had
    {shade=make.a} {other=treat}, and that seemed [much finer|so much better|far more grand].
"Shall we swap?" asked {hero} one {sky=sky} <time>. "[Gladly|With pleasure|Why not]!" said {friend}.
But the {shade} {other} [kept falling off the shelf|smelled of onions|made a funny noise at night],
    and the {look} {thing} never did that.
In bed {hero.he} [sighed|turned over and over|counted sheep]. "{cry=cry}! I want my {thing} back."
The next morning {hero.he} [left|crept out of] {home.the} [early|alone|on tiptoe], and
    {place=place.at} {hero.he} met {friend}, [looking just as sad|walking just as slowly|with a very
    long face].
"[I miss my|I am sorry, but I want my] {other}," {friend} [began|whispered|sobbed]. "[It knew me|We
    were used to each other|It was from my mother]."
Right there, the {shade} {other} and the {look} {thing} [went home again|changed hands once more].
"{cry}!" [laughed|said] {hero}. "[From now on|Next time] we shall swap only {food=food.a} for
    {dish=dish.a}."
<end>
""",
    "broken": """
<open>
{hero.His} <pal> {friend=friend} the {kin=beast} had {look=look.a} {thing=trinket}.
One {day=day}, when {friend} was [out|asleep|in the garden], {hero} [took it down|picked it up|gave
    it a little push]. [Crack!|Crash!|Snap!|Oops!]
"{cry=cry}!" whispered {hero}. The {look} {thing} lay in {number=number} pieces.
{hero} hid them {place=place.at} and [ran home|said nothing|went to bed without supper].
But {hero.he} could not sleep, and in the morning {hero.he} [took|carried] the pieces to the
    {job=job}.
"[Hm|Well, well|Dear me]." And the {look} {thing} was [mended|fixed] for a day of
    {chore=chore.doing}.
Then {hero.he} brought the {look} {thing} back to {friend} and told {friend.him} [everything|the
    truth|the whole story], even the part about {place}.
"{cry}!" [laughed|said] {friend}. "I have known [all along|from the start|since the crash]. I was
    only waiting for you to [tell me|say so]."
The two of them [shared|ate] {food=food.a} [by the fire|by candlelight|with two spoons] in
    {home.the}.
<end>
""",
    "letter": """
<open>
One {sky=sky} <time>, a letter [blew in|came] through the window of {home.the}, but it was not for
    {hero}. "To {friend=friend} the {kin=beast}," it said, "{place=place.at}."
"{cry=cry}!" said {hero}. "That is [a long way off|beyond the hills|three miles from here]."
So {hero.he} packed {food=food.a} and {look=look.a} {thing=thing} and [set out|went off|started
    walking|was soon on the road].
A [wolf|bull|giant|ghost] barred the way, but [ran off|bowed low|burst into tears] at the sight of
    the {thing}.
Then came a river without a bridge. {hero.He} [crossed it on|floated over on] [a log|an old door|a
    very patient cow].
And there, {place.at}, sat {friend}, [all alone|reading an old newspaper|staring at the road].
"For me?" {friend.He} [opened the letter|tore it open|read it twice]. "It says: Somebody kind will
    [come to see you|visit you|sit beside you] today."
"{cry}!" said {hero}, and {friend} [began to laugh|pointed at {hero.him}|only smiled].
They [ate|shared] the {food}, and {hero} [left|gave] {friend.him} the {look} {thing} for a present.
<end>
""",
    "treasure": """
<open>
One {day=day} {hero.he} found an old map [in a boot|behind the clock|inside a book|under the floor].
    "Dig {place=place.at}," it said.
"{cry=cry}! A treasure!" [said|shouted|cried] {hero}, and [ran|hurried|raced] to tell {hero.his}
    <pal> {friend=friend} the {kin=beast}.
"If there is gold, I shall {wish=wish}," said {hero} [dreamily|at once]. "And you, {friend}?"
"I only want {look=look.a} {thing=thing}," said {friend}.
{place.At} they dug [and dug|a deep hole|all day long], and found {number=number} [worms|stones|old
    nails].
Then something went [clunk|clang|bump]. "{cry}!" It was a [box|chest], and in it lay {look.a}
    {thing}!
But {hero} was [quiet|a little sad|close to tears], for there was no gold.
"You do not need gold to {wish}," said {friend}. "[You need a friend|We shall go together|Let us
    start tomorrow]."
[In spring|A month later|The next summer], {hero} left {home.the} and really {wish.did}, and
    {friend} [was there|came too|cheered] with the {look} {thing}.
<end>
""",
}
