"""Plots about what was said: promises, wishes, secrets, and the weather that comes between."""

PROMISES = {
    "kept": """
<open>
{hero.His} <pal> {friend=friend} the {kin=beast} had to go away for {number=number} days. "Will you
    [look after|take care of] my {look=look} {thing=thing}," {friend.he} asked, "and remember to
    {chore=chore}?"
"I promise," said {hero}[, and meant it| at once|, standing up straight].
All went well, but on {day=day} came a great [storm|flood|wind|snowfall], [and nobody went out|and
    everybody stayed in bed|such as no one had ever seen].
"{cry=cry}! Who would {chore} in this?" asked the {job=job}. "[Come in|Stay here], sit by my fire,
    and have {food=food.a}."
"[No, thank you|Not now|I would love to, but no]," said {hero}. "[I gave my word|I have promised]."
So out {hero.he} went, [slipped|fell over|tumbled] [once|twice|three times|again and
    again|into a ditch|head over heels], and {chore.did}.
When the days were over, {friend} came [back|up the road|at last] to {home.the} and found all as it
    should be, the {look} {thing} first of all.
"{cry}! [In all that wind and rain|Even in such weather]?" {friend.he} [asked|cried|said]. "[What a
    friend you are|You kept your word|I knew it]!"
Everyone heard about the falls, and somebody [came in with|sent over|brought] the {food}.
<end>
""",
    "forgot": """
<open>
"I promise to {chore=chore}," {hero.he} told {hero.his} <pal> {friend=friend} the {kin=beast} one
    {day=day}. "[You can count on me|Word of honour|I never forget]!"
But on the way {hero.he} met the {job=job}, who was [playing with|showing off|trying out]
    {look=look.a} {thing=thing} {place=place.at}.
One turn became {number=number}, and [soon it was dark|the sun went down|the stars came out].
"{cry=cry}! I was going to {chore}!" [cried|shouted] {hero}, and ran [like the wind|home|as fast as
    could be].
Too late! {friend} had {chore.did} alone, and now {friend.he} sat [by the door|on the steps|in
    front] of {home.the} with a [sad|tired|grey] face.
So [at dawn|before the birds woke], {hero} went and {chore.did}, [twice|three times] over.
"{cry}!" said {friend} when {friend.he} [woke up|saw it|came out]. "[I am not cross now|All is
    forgiven|That will do]. Let us eat {food=food.a}."
Soon the {look} {thing} was [lent|brought|given] to them too, and {place.at} the two of them [took
    turns|played|had fun].
<end>
""",
    "wish": """
<open>
{hero.He} had one [great|secret|big] wish: to {wish=wish}.
"You? [Never|Not in a hundred years|How silly]!" [laughed|said] the {job=job}. "Nobody can do that."
{hero} [went away|walked off] and sat {place=place.at}, [and two tears fell|kicking at stones|under
    a dark cloud].
There {friend=friend} the {kin=beast} found {hero.him}. "{cry=cry}! Why so [sad|glum|quiet]?"
[{hero} explained|{hero} told {friend.him}]. "To {wish}," said {friend}, "we need {look=look.a}
    {thing=thing} and {food=food.a}."
{place.At} they practised for {number=number} [days|weeks], in sun and [rain|snow|wind], and nearly
    gave up.
[And then|And at last], one {sky=sky} <time>, {hero} really {wish.did}. The {look} {thing} came [in
    handy|along for luck|too, of course].
Everybody [clapped|cheered|threw a hat in the air], even {place.at}. "{cry}!" was all {friend}
    could say.
<end>
""",
    "secret": """
<open>
{hero.He} had a secret: {hero.he} dreamed of {wish=wish.doing}.
One {sky=sky} <time>, {place=place.at}, {hero.he} told it to {hero.his} <pal> {friend=friend} the
    {kin=beast}. "[Promise not to tell|Not a word to anyone]!"
But [a secret tickles|secrets have legs|a secret is hard to hold].
{friend.He} told only the {job=job}, who told [everyone|the whole market|the geese].
On {day=day}, when {hero} came to buy {food=food.a}, [people giggled|the shop went quiet|somebody
    winked]. "So you want to {wish}?"
"{cry=cry}!" {hero} [went red|ran out|dropped everything] and hid {place.at}.
There {friend} found {hero.him}. "I am [so|very|truly] sorry," {friend.he} said. "[I was asked so
    nicely|It just fell out of my mouth]. But they all want to {wish} too, [every one|and so do I]!"
    "{cry}!" said {hero} [softly|at last|very slowly].
[And so it was|Would you believe it]: before the [week|month] was over, [they went together|the
    whole village went], and {hero} {wish.did} first.
{friend} [carried|brought along|paid for] {food.a}, and [has kept every secret since|is now as quiet
    as a stone|never told tales again].
<end>
""",
    "storm": """
<open>
One {day=day} the sky turned [black|green|as dark as a cellar]. "There will be a storm," said the
    {job=job}, "so [shut your doors|stay indoors]!"
{hero} closed [every window|the shutters] and [lit|took down] {look=look.a} lamp.
Then [somebody|someone|a voice] called for help {place=place.at}.
"{cry=cry}!" said {hero}, and out {hero.he} went, lamp in hand.
There {place.at} sat {friend=friend} the {kin=beast}, [holding on to|clinging to|wrapped around]
    {hue=make.a} {thing=thing}.
"{cry}, my roof [blew off|flew away|is gone]!" {friend.he} [sobbed|cried]. "I could save only this
    {thing}."
"Come [with me|along], then," said {hero}, and held up the {look} lamp. In {home.the} there was [a
    fire|dry straw|a soft chair] and {food=food.a}.
In the morning they [built|made] {friend} a new roof {place.at}, [a little crooked|with flowers on
    it|as tight as a drum], while the {hue} {thing} [hung on a branch|looked on|stood by].
Now {hero} lights the {look} lamp every [night|evening|winter], [just in case|to be safe|for luck].
<end>
""",
    "contest": """
<open>
Every year there was a cooking contest, and the winner got {look=look.a} {thing=thing}.
"I shall make {food=food.a}," said {hero}, "[and win|the best of all]."
But {hero.his} neighbour {friend=friend} the {kin=beast} was [stirring|chopping|baking] too. It was
    {dish=dish.a}, and it smelled [wonderful|of heaven|far too good].
[On {day=day}|When {day=day} came], {sky=sky.noun} and all, the two of them [met|bumped into each
    other] {place=place.at}.
[Bump! Splash!|Oops!|Crash!] The {food} landed on the {dish}, and [nothing could part them|it was
    one big heap|there was sauce on everything].
"{cry=cry}!" cried {hero}.
So they [scraped|put|poured] it all into one [pot|bowl|bucket].
"{cry}!" said the {job=job}, who was the judge. "[First prize|You win|How tasty]!"
Now {hero} has the {look} {thing} in {home.the} [in summer|in spring], and {friend} [in winter|in
    autumn].
Every [year|month] they [cook|make|serve] {food.a} with {dish.a} {place.at}, rain or shine.
<end>
""",
    "noise": """
<open>
{hero.He} liked [peace and quiet|it quiet|silence] above all. But one {day=day} {friend=friend} the
    {kin=beast} moved in next to {home.the}, with {look=look.a} {thing=instrument}.
All day {friend} played it. [Boom, boom!|Clatter, bang!|Tra-la-la!|Toot, toot!] It went on [until
    midnight|for hours|even at breakfast].
"{cry=cry}!" groaned {hero}, and put [wool|wax|two radishes] in {hero.his} ears.
"[Bring|Take|Offer] {friend.him} {food=food.a}," said the {job=job}. "[Nobody can play while
    eating|It worked with me]."
So {hero} [knocked|knocked twice|tapped] at the door.
{friend} [stared|blinked|blushed]. "{cry}! You are the first to [visit|come and see] me. I only
    played the {thing} because [it was so quiet|I was so alone|I had nobody to talk to]."
The two of them [ate|shared|finished] the {food} and talked about {wish=wish.doing}.
{number=number.Name} [cups of tea|stories|songs] later, {hero} [wanted|asked|begged] to learn the
    {look} {thing}.
Now both of them play every [day|week], and the neighbours have [moved away|bought earplugs|gone to
    sea].
<end>
""",
}
