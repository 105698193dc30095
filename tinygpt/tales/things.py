"""Plots about things: lost, found, lent, given, swapped, broken, sent, dug up."""

THINGS = {
    "lost": """
<open>
[Of all {hero.his} things, {hero.he} loved {look=look.a} {thing=thing} the most.
|What {hero.he} loved more than anything was {look=look.a} {thing=thing}, [a gift from {hero.his}
    grandmother|won at the summer fair].
|{hero.He} was never seen without {look=look.a} {thing=thing}, [at work or at play
    |not even in the bath].]
[But one|Then, one] {sky=sky} <time>, it was gone.
"{cry=cry}!" cried {hero}, and looked [under the bed|behind the stove|in every cupboard
    |up the chimney], but there was only [a sock|a heap of dust|a very surprised spider
    |half a sandwich].
[In the lane|At the corner|On the road], {hero.he} met {friend=person} the {kin=animal}, who was
    [carrying|eating|proudly holding] {food=food.a}.
"Have you seen my {look} {thing}?" asked the {kind}.
["No," said {friend}, "but [I am good at looking|two can look better than one].
|"Not today," said {friend}, "but [do not worry|we shall find it].] Where did you play last?"
{hero} thought [hard|for a while|until {hero.his} ears were hot]. "{place=place.At}!"
[Off they went|They ran all the way|They set out at once], [and nobody minded|and never mind] the
    {sky.noun}.
And there {place.at} lay the {look} {thing}, [safe and sound|with a snail asleep on it|just as it
    had been left].
"{cry}!" said the {kind} again, but this time [with a laugh|it was for joy|very softly].
Then [the two of them|the two friends] sat down and [ate|shared] the {food}, [down to the last crumb
    |and nothing had ever tasted better|and the birds got the rest].
<end>
""",
    "found": """
<open>
One {sky=sky} <time>, {hero.he} found {look=look.a} {thing=thing} {place=place.at}.
[Nobody was near|There was no name on it|It looked quite lonely], so [{hero.he} took it home
    |the {kind} picked it up].
[All night {hero.he} lay awake|{hero.He} could not eat a bite|{hero.He} wanted very much to keep it].
    "[Somebody|Someone] must be [looking|crying] for it," {hero.he} thought.
[First|In the morning|After breakfast], {hero.he} asked the {job=job}, who [only shrugged
    |had never seen it before|was too busy to look up].
So {hero.he} [hung up a sign|wrote a notice|put up a note]: "Found {place.at}: {look.a} {thing}.
    Please come to {home.the}."
[A day|Half a week|A whole week] went by, and [nobody|no one] came.
Then there was a [knock|tap|thump] at the door. In the {sky.noun} stood {friend=person} the
    {kin=animal}, [out of breath|red in the face|hat in hand].
"[Is it true|Can it be]?" asked {friend}. "I lost it {place.at}, [and I have looked everywhere
    |and I have not slept since|on my birthday]."
[{hero} ran to fetch|The {kind} brought out|From the shelf {hero} took] the {look} {thing}, and
    {friend} [hugged it|jumped for joy|kissed it three times].
[To say thank you|As a reward|In return], {friend.he} came back with {food=food.a} [as big as a
    wheel|still warm from the oven|under a clean white cloth].
Even the {job} [came to taste it|asked for a piece|stopped working to have some], and soon the
    {food} was [gone|only a happy memory].
<end>
""",
    "lent": """
<open>
One {day=day}, {hero.his} <pal> {friend=person} the {kin=animal} came to the door. "May I borrow your
    {look=look} {thing=thing}?" {friend.he} asked.
"[I need it for my sister's wedding|I want to show it to my aunt|It would scare the mice away]. You
    shall have it back in {number=number} days, [I promise|upon my honour|word for word]."
[It was not easy to say yes|{hero} was very fond of it|{hero} scratched {hero.his} nose], but a
    friend is a friend, and so {hero.he} [nodded|agreed|let it go].
{number.Name} days [went by|passed|came and went], and [nobody knocked|nothing happened|there was no
    sign of the {kin}].
"{cry=cry}!" said {hero}. "[A promise is a promise|This will not do|I shall go and see]."
Through [wind and rain|fog and mud|field and wood], the {trait} {kind} [marched|walked|hurried] to
    find {friend}.
There {friend.he} was {place=place.at}, [fast asleep|snoring|dreaming sweetly], with the {look}
    {thing} [at {friend.his} side|for a pillow|under one arm].
"Wake up!" said {hero}. "[What about|Have you forgotten] your promise?" {friend} [turned pink
    |sat up|blinked]. "Is it {day} already?"
[The {kind} wanted to be cross|It is hard to be angry with a friend], but [a smile got in the way
    |it was too funny|the laugh was quicker].
To make up for those {number} days, {friend} [baked|cooked|made] {food=food.a}, and [half the village
    |the {job=job}|the whole lane] came to help them eat it.
The {look} {thing} is [back at home|safe again] in {home.the}, but it is never lent [on a {day}
    |to anyone asleep|without a kiss] now.
<end>
""",
    "gift": """
<open>
[Soon it would be|The next day was|In a week came] the birthday of {hero.his} <pal> {friend=person}
    the {kin=animal}.
"What shall I give {friend.him}?" thought {hero}, who had only {number=number} coins, and one of them
    was [a button|a biscuit|rather bent].
At the market the {job=job} was selling {look=look.a} {thing=thing}. It [shone in the sun|was
    perfect|was just the right size].
"That costs more than {number} coins," said the {job}, "but you may have it [if you help me
    |for a day of] {chore=chore.doing}."
So the {kind} spent {day=day} {chore.doing}, [singing all the while|until it grew dark|and did it
    twice, to be sure].
Then {hero} wrapped up the {look} {thing} [in yellow paper|in a cabbage leaf|in an old map], and
    [hid it|put it] {place=place.at}.
But when the birthday came, [a goat had|the ants had|a puppy had] found it {place.at} and
    [eaten|chewed up] the paper.
"{cry=cry}!" said {hero}. "Now it is [not|no longer] a surprise."
[But {friend} laughed.|{friend} only smiled.] "You spent a whole {day} {chore.doing} for me? [That is
    the surprise!|Nobody has ever done that!|That is the best part!]"
{friend.He} [danced around|walked about|sat] with the {look} {thing} all day, and they [ate|shared]
    {food=food.a} [with the {job}|by candlelight|out in the garden].
<end>
""",
    "swap": """
<open>
{hero.He} owned {look=look.a} {thing=thing}, but {hero.his} <pal> {friend=person} the {kin=animal}
    had {shade=look.a} {other=thing}, and that seemed [much finer|so much better|far more grand].
"Shall we swap?" asked {hero} one {sky=sky} <time>. "[Gladly|With pleasure|Why not]!" said {friend},
    and they [shook hands|did|spat and shook] on it.
[At first|For an hour|Until supper], the {kind} was [delighted|as happy as a lark|over the moon].
But the {shade} {other} [did not fit on the shelf|smelled of onions|would not stay clean|made a funny
    noise], and the {look} {thing} had never done that.
In bed that night, {hero.he} [sighed|turned over and over|counted sheep]. "{cry=cry}! I want my
    {thing} back."
[But a swap is a swap|But {hero.he} had shaken hands on it], and what would the {kin} say?
The next <time> {hero.he} [set out|crept out] through the {sky.noun}, and {place=place.at} {hero.he}
    met {friend}, [looking just as sad|walking just as slowly|with a very long face].
"[I miss my|I am sorry, but I miss my] {other}," {friend} [began|whispered|sobbed]. "[It knew me|We
    were used to each other|It was from my mother]."
How they laughed! Right there {place.at}, the {shade} {other} and the {look} {thing} [went home
    again|changed hands once more].
"{cry}!" said the {kind}. "[Let us never swap again|From now on we swap only food|That was a silly
    day]."
So {friend} gave {hero.him} {food=food.a} and got {dish=food.a} for it, and that swap was [a great
    success|the best of all|soon eaten].
<end>
""",
    "broken": """
<open>
{hero.His} <pal> {friend=person} the {kin=animal} had {look=look.a} {thing=thing}, and nobody was
    allowed to [touch it|play with it|breathe on it].
One {day=day}, when {friend} was [out|asleep|in the garden], {hero} [took it down|picked it up|gave
    it a little push], only to look. [Crack!|Crash!|Snap!|Bang!]
"{cry=cry}!" whispered {hero}. The {look} {thing} lay in {number=number} pieces.
[What now?|What was to be done?] The {trait} {kind} [hid|put] the pieces {place=place.at} and [ran
    home|said nothing|went to bed without supper].
But a secret is heavy. [{hero.He} could not sleep|{hero.His} tummy hurt|Even the moon seemed to
    frown] that night.
In the morning {hero.he} fetched all {number} pieces from {place} and [took|carried] them to the
    {job=job}.
"[Hm|Well, well|Dear me]," said the {job}. "I can [mend|fix] it, if you help me with {chore=chore.doing}."
And so {hero} [spent the day|was busy until dark] {chore.doing}, while the {job} [worked with glue
    and thread|hammered and hummed|bent over the table].
With the mended {thing} {hero.he} went to {friend} and told {friend.him} [everything|the truth
    |the whole story], even the part about {place}.
"I [knew it|heard it] on {day}," said {friend}. "I was only waiting for you to [tell me|say so]."
{friend.He} [forgave {hero.him}|was not cross at all], and they shared {food=food.a} [that the {job}
    had baked|with extra sugar on top|and a long hug].
<end>
""",
    "letter": """
<open>
One {sky=sky} <time> [a letter blew in|a letter came] through the window of {home.the}, but it was
    not for {hero}. "To {friend=person} the {kin=animal}," it said, "{place=place.at}."
"{cry=cry}!" said the {kind}. "That is [a long way|over the hills|three miles from here]."
[Still, a letter is a letter|It might be important], so {hero.he} packed {food=food.a} and {look=look.a}
    {thing=thing} and [set out|went off|started walking].
[On the way|Before long|After a mile] {hero.he} [met|saw] the {job=job}, who was [lost|tired|sitting
    in a ditch] because of the {sky.noun}.
[Kindly, |At once ]{hero} shared the {food}, and the {job} [showed|told] {hero.him} a shorter way.
[Next came|Then there was] a river without a bridge. {hero.He} [crossed it on|floated over on|jumped
    across from] [a log|an old door|a very patient cow].
The letter stayed dry, for it was [wrapped around|under|inside] the {look} {thing}.
At last, {place.at}, there sat {friend}, [all alone|reading an old newspaper|staring at the road].
"A letter! For me?" {friend.he} [opened|tore open] it [with care|at once]. "It says: [Dear friend,
    |Good news.] [You will have a visitor today|Somebody kind will come to you soon]."
"[Who can that be|Who wrote it|When will that be]?" asked the {kind}, and [looked around|looked
    behind {hero.him}]. {friend} [began to laugh|pointed at {hero.him}|just smiled].
"{cry}! It is me!" [They ate|So they finished] the last of the {food} together, and {hero} left the
    {look} {thing} there as a present.
<end>
""",
    "treasure": """
<open>
One {day=day} {hero.he} found an old map [in a boot|behind the clock|inside a book|under the floor],
    with a cross drawn {place=place.at}.
"{cry=cry}! A treasure!" [said|shouted|cried] {hero}, and [ran|went] to tell {hero.his} <pal>
    {friend=person} the {kin=animal}.
[They took|{friend} brought] a spade, a rope, and {food=food.a}, because [digging makes you hungry
    |one never knows|no one hunts treasure without lunch].
"What will you buy if we are rich?" asked {friend}. "[I will go away|First of all I would learn
    everything] and {wish=wish}," said the {kind} [dreamily|at once]. "And you?"
"{look=look.A} {thing=thing}," said {friend}, "[and nothing else|and perhaps a bigger bed|to keep
    forever]."
{place.At} they dug [and dug|a deep hole|all day long]. They found {number=number} [worms|stones|old
    nails] and [a cross beetle|one wet shoe|a fork].
Then the spade went [clunk|clang|bump]. It was a [box|chest], and in it lay... {look.a} {thing}!
[{friend} could hardly speak.|{friend} sat down in the hole.|{friend} fell over backwards.] But
    {hero} was [quiet|a little sad], for there was no gold in it.
"[Listen|Do not be sad]," said the {kin}. "You do not need gold to {wish}. [You need a friend
    |We shall go together|Let us start tomorrow]."
They [ate|shared] the {food} on the edge of the hole, and put the {number} [treasures|things] back,
    to be kind.
[In spring|A month later|The next summer], {hero} really {wish.did}, and {friend} [was there
    |held {hero.his} coat|clapped the loudest]. [All this began on a {day}|And it all came from
    one old map].
<end>
""",
}
