"""Plots about what was said: promises, wishes, secrets, and the weather that comes between."""

PROMISES = {
    "kept": """
<open>
{hero.His} <pal> {friend=person} the {kin=animal} had to go away for {number=number} days. "Will you
    [look after|take care of] my {look=look} {thing=thing}," {friend.he} asked, "and not forget
    {chore=chore.doing}?"
"I promise," said {hero}[, and meant it| at once|, standing up straight].
The first days were easy, but on {day=day} came {sky=sky.noun}, [and such a lot of it|and it would
    not stop|and everybody stayed in bed].
"Nobody would {chore} [today|in this]," said the {job=job}. "[Come in and sit|Stay here] by my fire.
    I have {food=food.a}."
{hero} [looked at|smelled] the {food}. {hero.He} [looked at|thought of] the road. "[No, thank you|Not
    now]," said the {kind}. "I gave my word."
So out {hero.he} went into the {sky.noun}, [slipped|fell over] {falls=number} times, and {chore.did}.
[Every evening|Each night|Before bed] {hero.he} [dusted|patted|said good night to] the {look} {thing}
    as well.
When the {number} days were over, {friend} came [up the road|home|back] and found all as it should be.
"[Even on {day}|In all that {sky.noun}]?" {friend.he} asked. "Oh, {hero}! [You kept your promise
    |I knew it|What a friend you are]!"
The {job} had heard it all, and [came in with|sent over|brought] the {food}, [which was still warm
    |only a little burnt|for the two of them].
<end>
""",
    "forgot": """
<open>
"I promise to {chore=chore}," {hero.he} told {hero.his} <pal> {friend=person} the {kin=animal} on
    {day=day}. "[You can count on me|Word of honour|I never forget]!"
But on the way {hero.he} met the {job=job}, who was [playing with|showing off|trying out] {look=look.a}
    {thing=thing} {place=place.at}.
"May I [try|have a turn]?" asked {hero}. [One turn became two|Two turns became ten], and [soon it was
    dark|the sun went down|the stars came out].
"{cry=cry}! I was going to {chore}!" [cried|shouted] the {kind}, and ran [like the wind|home|as fast
    as could be].
Too late! {friend} had {chore.did} alone, and now {friend.he} sat [by the door|on the steps|at the
    table] with a [sad|tired|grey] face.
"You [promised|gave your word]," said {friend}. {hero} [looked at the floor|had nothing to say|wished
    to be a very small stone].
[All night|In the dark] the {trait} {kind} thought about it. [Saying sorry is good|Words are
    cheap], but [doing is better|work is worth more].
So [at dawn|before the birds woke], {hero.he} went and {chore.did}, and then did it again for [all the
    neighbours|the whole lane|good luck].
"{cry}!" said {friend} when {friend.he} [woke up|saw it|came out]. "[I am not cross now|All is
    forgiven|That will do]. Have some of my {food=food}."
[The {job} lent them|They went and borrowed] the {look} {thing}, and {place.at} the two of them [took
    turns|played] until [lunch|supper|{day} came round again].
<end>
""",
    "wish": """
<open>
{hero.He} had one great wish: to {wish=wish}. [Every night {hero.he} dreamed of it|It was all {hero.he}
    could think about|{hero.He} spoke of it even at breakfast].
"You? [Never|Not in a hundred years|How silly]!" [laughed|said] the {job=job}. "{kind.A} cannot
    {wish}."
[{hero} went away|The {kind} walked off] and sat {place=place.at}, [and two tears fell|kicking at
    stones|under a dark cloud].
There {friend=person} the {kin=animal} found {hero.him}. "{cry=cry}! Why so [sad|glum|quiet]?"
{hero} told {friend.him} [everything|about the great wish]. "Hm," said {friend}. "[To begin with|For
    that], we need {look=look.a} {thing=thing} and {food=food.a}."
"What is the {thing} for?" asked the {kind}. "[You will see|Wait and see|I have no idea yet]," said
    {friend}, "but [the lunch is for me|one must not start out hungry]."
They practised {place.at} for {number=number} [days|weeks], in sun and [rain|snow|wind].
[They fell down|It went wrong|They nearly gave up] {number} times, and each time {friend} said,
    "[Once more|Again|Nearly]!"
[And then|And at last], one {sky=sky} <time>, {hero} really {wish.did}. The {look} {thing} came
    [in handy|along for luck|too, of course].
Even the {job} [clapped|cheered|threw a hat in the air]. "{cry}!" was all {friend} could say.
They celebrated with {food.a}, and {hero} [made a new wish|did not wish for anything more]: [but that
    is another story|or perhaps just for pudding].
<end>
""",
    "secret": """
<open>
{hero.He} had a secret: {hero.he} dreamed of {wish=wish.doing}. [Not a soul knew|Nobody knew it], and
    [that was best|that was how it should be].
But one {sky=sky} <time>, {place=place.at}, {hero.he} told it to {hero.his} <pal> {friend=person} the
    {kin=animal}. "[Promise not to tell|Not a word to anyone]!"
"My lips are [sealed|shut|sewn up]," said {friend}. But [a secret tickles|it is hard to hold a secret
    |secrets have legs].
First {friend.he} told only the {job=job}. The {job} told the {clerk=job}, and the {clerk} told
    [everyone|the whole market|{number=number} geese].
On {day=day}, [as|when] the {kind} came to buy {food=food.a}, [people giggled|all the shop went
    quiet|somebody winked]. "So you want to {wish}?"
"{cry=cry}!" {hero} [went red|ran out|dropped everything] and hid {place.at}, where the secret had
    been told.
There {friend} found {hero.him}. "I broke my promise," {friend.he} said. "I am [so|very|truly] sorry.
    [The {job} asked so nicely.|It just fell out of my mouth.]"
[For a long time there was only the {sky.noun}.|The {trait} {kind} said nothing for a while.] Then
    {hero} [sniffed|sighed]. "[Are they laughing|Do they all laugh]?"
"[No|Laughing? No]," said the {kin}. "The {clerk} wants to {wish} too. [So does half the village.|And
    so do I.]"
[And so it was|Would you believe it]: before the next {day}, they all went together, and {hero}
    {wish.did} first.
{friend} [carried|brought along|paid for] {food.a}, and [has kept every secret since|now keeps quiet
    as a stone|has not said a word since, or nearly].
<end>
""",
    "storm": """
<open>
One {day=day} the sky turned [black|green|as dark as a cellar]. "There will be a storm tonight," said
    the {job=job}, "so [shut your doors|stay indoors]!"
{hero} shut [every window|the shutters] and [lit|took down] {look=look.a} lamp. [Outside the wind
    howled|The roof shook|It thundered {number=number} times].
Then {hero.he} heard a voice [far away|in the dark|over the noise]. Somebody was calling {place=place.at}!
"{cry=cry}!" said the {kind}. [It would have been easy to stay|The bed was warm|Nobody likes to get
    wet], but out {hero.he} went, lamp in hand.
There {place.at} sat {friend=person} the {kin=animal}, [holding on to|clinging to|wrapped around]
    {hue=look.a} {thing=thing}.
"My roof [blew off|flew away|is gone]!" {friend} [sobbed|cried]. "I could save only this {thing}."
"Come [with me|along], then," said {hero}, and held up the {look} lamp. In {home.the} there was [a fire
    and|dry straw and|a soft chair and] {food=food.a}.
[All night long|Until morning] they [told stories|played cards|sang] while the storm [raged|banged on
    the door|went round the house]. [Neither was afraid|It is hard to be afraid when you are two].
In the morning the {job} [came by|looked in]. "[Did I not say so?|What a
    night!]"
Together the three of them [built|made] a new roof for {friend}, [a little crooked|with flowers on it
    |and painted it], while the {hue} {thing} [hung on a branch|looked on|stood by].
When it rains on a {day}, the {kin} still brings {food.a}, and {hero} lights the {look} lamp.
<end>
""",
    "contest": """
<open>
Every year there was a cooking contest, and the winner got {look=look.a} {thing=thing}. [How {hero}
    wanted it|{hero} had come last {number=number} times]!
"This time I shall make {food=food.a}," said {hero.he}, "[and win|the best in the world]."
But {hero.his} neighbour {friend=person} the {kin=animal} was [stirring|chopping|baking] too. It was
    going to be {dish=food.a}, and it smelled [wonderful|of heaven|far too good].
[On {day=day}|When {day=day} came], in all the {sky=sky.noun}, the two of them [met|bumped into each
    other] {place=place.at}, each with a covered dish.
[Bump! Splash!|Oops!|Crash!] The {food} landed on the {dish}, and [nothing could part them|it was one
    big heap|there was sauce on everything].
"{cry=cry}!" cried the {kind}. "{cry}!" cried the {kin}. [They were close to tears|For a moment nobody
    spoke|A crow laughed].
"[We might as well|Let us] take it [anyway|as it is]," said {friend}, and so they [scraped|put] it all
    into one [pot|bowl|bucket].
The judge was the {job=job}, who took a [spoonful|mouthful|bite]. [It was very still|Nobody dared to
    breathe]. Then [came a smile|two eyebrows went up|there was a second bite].
"[Never have I tasted|What a dish! I never had] such {food.a}," said the {job}. "First prize!"
Who should have the {look} {thing}? [They take turns|They share it]: it is with {hero} [in summer|on
    weekdays], and with {friend} [in winter|on Sundays].
[Nobody has to know what happened|You must not tell what happened] {place.at} on that {day}.
<end>
""",
    "noise": """
<open>
{hero.He} liked [peace and quiet|it quiet|silence] above all. But one {day=day} {friend=person} the
    {kin=animal} moved in next door, with {look=look.a} {thing=thing}.
All day {friend} played with the {thing}. [Boom, boom!|Clatter, bang!|Tra-la-la!|Toot, toot!] It went
    on [until midnight|for hours|even on Sundays].
"{cry=cry}!" groaned {hero}, and put [wool|wax|two radishes] in {hero.his} ears. [It did not help
    |That was worse].
{hero.He} asked the {job=job} [what to do|for help]. "[Bring|Take] {friend.him} {food=food.a}," said
    the {job}. "[With a full mouth one makes no noise|Nobody can play while eating|It worked with
    me]."
So the {trait} {kind} [knocked|went and knocked] at the door with {food.a}. "Good [day|evening]," said
    {hero.he}. "I am {hero}, [from next door|and I cannot sleep]."
{friend} [stared|blinked|blushed]. "You are the first to [visit|come and see] me," {friend.he} said.
    "I only played because [it was so quiet|I was so alone|I had nobody to talk to]."
[{hero} had not thought of that|That made {hero} think|There was a lump in {hero.his} throat]. The
    two of them ate the {food} and talked about {wish=wish.doing}.
{number=number.Name} [cups of tea|stories|songs] later, they were friends. "Do teach me," said the
    {kind}, "to [play|use] your {look} {thing}."
[And who makes the noise now?|And now?] [Both of them|The pair of them], every {day}, and it is so
    loud that the {job} has [moved away|bought earplugs|gone to sea].
But {hero} is never [lonely|alone] now. [One day they want to|In summer they will] go and {wish}, [if
    the noise allows it|and the {thing} comes too].
<end>
""",
}
