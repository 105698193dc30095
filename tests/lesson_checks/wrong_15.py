import codecs
import json

from wrong_answers import wrong

from tinygpt.lesson_checks.handle_checks import refuse
from tinygpt.lesson_checks.stream_checks import event

DONE = "data: [DONE]\n\n"


def utf8():
    return codecs.getincrementaldecoder("utf-8")(errors="replace")


# ---- stream


@wrong("15.stream", says="a character whose bytes lie in two tokens is torn")
def each_token_by_itself(ids, tokenizer):
    try:
        for id in ids:
            yield event(tokenizer.token_bytes(id).decode("utf-8", errors="replace"))
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="raises UnicodeDecodeError")
def each_token_by_itself_and_strict(ids, tokenizer):
    try:
        for id in ids:
            yield event(tokenizer.token_bytes(id).decode())
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="joined, are not the whole text")
def broken_bytes_left_out(ids, tokenizer):
    try:
        for id in ids:
            yield event(tokenizer.token_bytes(id).decode("utf-8", errors="ignore"))
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="what was held back is lost")
def the_end_forgotten(ids, tokenizer):
    decoder = utf8()
    try:
        for id in ids:
            if text := decoder.decode(tokenizer.token_bytes(id)):
                yield event(text)
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="a line break of the text cuts the event in two")
def the_plain_text_as_data(ids, tokenizer):
    decoder = utf8()
    try:
        for id in ids:
            if text := decoder.decode(tokenizer.token_bytes(id)):
                yield f'data: {{"text": "{text}"}}\n\n'
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="its data is not JSON")
def a_python_dict_as_data(ids, tokenizer):
    decoder = utf8()
    try:
        for id in ids:
            if text := decoder.decode(tokenizer.token_bytes(id)):
                yield f"data: { {'text': text} }\n\n"
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="an event ends with an empty line")
def one_line_break(ids, tokenizer):
    decoder = utf8()
    try:
        for id in ids:
            if text := decoder.decode(tokenizer.token_bytes(id)):
                yield "data: " + json.dumps({"text": text}) + "\n"
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="an event begins with `data: `")
def json_lines(ids, tokenizer):
    decoder = utf8()
    try:
        for id in ids:
            if text := decoder.decode(tokenizer.token_bytes(id)):
                yield json.dumps({"text": text}) + "\n\n"
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="should be an object with a text")
def the_text_without_its_name(ids, tokenizer):
    decoder = utf8()
    try:
        for id in ids:
            if text := decoder.decode(tokenizer.token_bytes(id)):
                yield f"data: {json.dumps(text)}\n\n"
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="cannot tell an end from a broken line")
def without_the_last_event(ids, tokenizer):
    decoder = utf8()
    try:
        for id in ids:
            if text := decoder.decode(tokenizer.token_bytes(id)):
                yield event(text)
        if text := decoder.decode(b"", final=True):
            yield event(text)
    finally:
        ids.close()


@wrong("15.stream", says="yield at once, inside the loop over ids")
def all_of_it_first(ids, tokenizer):
    try:
        data = b"".join(tokenizer.token_bytes(id) for id in ids)
        for character in data.decode("utf-8", errors="replace"):
            yield event(character)
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="yield at once, inside the loop over ids")
def a_list(ids, tokenizer):
    decoder, events = utf8(), []
    for id in ids:
        if text := decoder.decode(tokenizer.token_bytes(id)):
            events.append(event(text))
    if text := decoder.decode(b"", final=True):
        events.append(event(text))
    return [*events, DONE]


@wrong("15.stream", says="yield at once, inside the loop over ids")
def one_token_late(ids, tokenizer):
    decoder, held = utf8(), ""
    try:
        for id in ids:
            text = decoder.decode(tokenizer.token_bytes(id))
            if text and held:
                yield event(held)
                held = ""
            held += text
        if held := held + decoder.decode(b"", final=True):
            yield event(held)
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="bytes that no character has are certain to be none")
def held_until_all_of_it_decodes(ids, tokenizer):
    held = b""
    try:
        for id in ids:
            held += tokenizer.token_bytes(id)
            try:
                yield event(held.decode())
            except UnicodeDecodeError:
                continue
            held = b""
        if held:
            yield event(held.decode(errors="replace"))
        yield DONE
    finally:
        ids.close()


@wrong("15.stream", says="write `yield` where an event is ready")
def one_text(ids, tokenizer):
    text = b"".join(tokenizer.token_bytes(id) for id in ids).decode("utf-8", errors="replace")
    return event(text) + DONE


@wrong("15.stream", says="nobody tells the model: close ids too")
def ids_never_closed(ids, tokenizer):
    decoder = utf8()
    for id in ids:
        if text := decoder.decode(tokenizer.token_bytes(id)):
            yield event(text)
    if text := decoder.decode(b"", final=True):
        yield event(text)
    yield DONE


@wrong("15.stream", says="nobody tells the model: close ids too")
def closed_only_at_the_end(ids, tokenizer):
    decoder = utf8()
    for id in ids:
        if text := decoder.decode(tokenizer.token_bytes(id)):
            yield event(text)
    if text := decoder.decode(b"", final=True):
        yield event(text)
    yield DONE
    ids.close()


@wrong("15.stream", says="after close() it yields once more")
def done_in_the_finally(ids, tokenizer):
    decoder = utf8()
    try:
        for id in ids:
            if text := decoder.decode(tokenizer.token_bytes(id)):
                yield event(text)
        if text := decoder.decode(b"", final=True):
            yield event(text)
    finally:
        ids.close()
        yield DONE


@wrong("15.stream", says="after close() it yields once more")
def every_exception_swallowed(ids, tokenizer):
    decoder = utf8()
    for id in ids:
        try:
            if text := decoder.decode(tokenizer.token_bytes(id)):
                yield event(text)
        except:  # noqa: E722
            pass
    if text := decoder.decode(b"", final=True):
        yield event(text)
    yield DONE
    ids.close()


@wrong("15.stream", says="and it draws on for nobody")
def draws_on_for_nobody(ids, tokenizer):
    decoder = utf8()
    try:
        for id in ids:
            if text := decoder.decode(tokenizer.token_bytes(id)):
                yield event(text)
        if text := decoder.decode(b"", final=True):
            yield event(text)
        yield DONE
    finally:
        for _ in ids:
            pass
        ids.close()


@wrong("15.stream", says="the stream does not end")
def never_ends(ids, tokenizer):
    decoder = utf8()
    while True:
        if text := decoder.decode(tokenizer.token_bytes(next(ids, 0)) if ids.n else b"a"):
            yield event(text)


# ---- handle


def checked(body, start, *, number=lambda n: type(n) is int, first=False, status=400, read=iter,
            kind="text/event-stream", parse=json.loads, empty=True, shape=refuse,
            largest=128):  # fmt: skip
    def refused(message, param=None):
        return status, *shape(message, param)[1:]

    try:
        request = parse(body)
    except (ValueError, RecursionError):
        return refused("the body is not JSON; send an object")
    if not isinstance(request, dict):
        return refused("the body is no object; send an object")
    prompt, n = request.get("prompt"), request.get("max_tokens", 16)
    events = start(prompt, n) if first else None
    if not isinstance(prompt, str) or (empty and not prompt):
        return refused("prompt must be a text of one character or more", "prompt")
    if not number(n) or not 1 <= n <= largest:
        return refused("max_tokens must be from 1 to 128", "max_tokens")
    return 200, {"Content-Type": kind}, read(events or start(prompt, n))


@wrong("15.handle", says="raises KeyError: 'prompt'")
def trusting(body, start):
    request = json.loads(body)
    return 200, {"Content-Type": "text/event-stream"}, start(
        request["prompt"], request.get("max_tokens", 16)
    )  # fmt: skip


@wrong("15.handle", says="raises JSONDecodeError")
def a_body_that_is_no_json(body, start):
    return checked(json.dumps(json.loads(body)), start)


@wrong("15.handle", says="raises RecursionError")
def a_deep_body(body, start):
    try:
        json.loads(body)
    except ValueError:
        return refuse("the body is not JSON; send an object")
    return checked(body, start)


@wrong("15.handle", says="raises AttributeError: 'list' object has no attribute 'get'")
def a_body_that_is_a_list(body, start):
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return refuse("the body is not JSON; send an object")
    request.get("prompt")
    return checked(body, start)


@wrong("15.handle", says="isinstance(True, int) holds, and the status is 200")
def true_is_an_int(body, start):
    return checked(body, start, number=lambda n: isinstance(n, int))


@wrong("15.handle", says="prompt is empty, and the status is 200")
def an_empty_prompt(body, start):
    return checked(body, start, empty=False)


@wrong("15.handle", says="max_tokens is above 128, and the status is 200")
def without_an_upper_limit(body, start):
    return checked(body, start, largest=10**9)


@wrong("15.handle", says="and the model is started all the same: look first")
def starts_before_it_looks(body, start):
    return checked(body, start, first=True)


@wrong("15.handle", says="that is the client's fault, a status from 400 to 499, and here it is 500")
def the_servers_fault(body, start):
    return checked(body, start, status=500)


@wrong("15.handle", says="and the status is 200")
def errors_with_status_200(body, start):
    return checked(body, start, status=200)


@wrong("15.handle", says="hand on what start returns")
def the_events_in_a_list(body, start):
    return checked(body, start, read=list)


@wrong("15.handle", says="the Content-Type of events is text/event-stream")
def events_as_json(body, start):
    return checked(body, start, kind="application/json")


@wrong("15.handle", says="the error should have the shape")
def fastapis_own_shape(body, start):
    def shape(message, param):
        return 400, {"Content-Type": "application/json"}, [json.dumps({"detail": message})]

    return checked(body, start, shape=shape)


@wrong("15.handle", says="the error's param is None and should be 'prompt'")
def param_forgotten(body, start):
    return checked(body, start, shape=lambda message, param: refuse(message))


@wrong("15.handle", says="should be a sentence that says what is needed, and name prompt")
def bad_request(body, start):
    return checked(body, start, shape=lambda message, param: refuse("Bad request", param))


@wrong("15.handle", says="raises TypeError")
def compares_before_it_asks_for_the_kind(body, start):
    return checked(body, start, number=lambda n: n >= 1)


@wrong("15.handle", says="the pieces of the body should be texts, and here one is a bytes")
def bytes_for_texts(body, start):
    status, headers, chunks = checked(body, start)
    return status, headers, (chunk.encode() for chunk in chunks)


@wrong("15.handle", says="three parts: status, headers, chunks")
def the_events_alone(body, start):
    return checked(body, start)[2]


# ---- turn


def alive(requests):
    return [request for request in requests if request["left"] > 0]


@wrong("15.turn", says="not only when all have finished")
def static_batching(running, waiting, places):
    running = alive(running)
    if running:
        return running, alive(waiting)
    return alive(waiting)[:places], alive(waiting)[places:]


@wrong("15.turn", says="first let those leave who have finished")
def joins_before_others_leave(running, waiting, places):
    free = places - len(running)
    waiting = alive(waiting)
    return alive(running) + waiting[:free], waiting[free:]


@wrong("15.turn", says="a place is free while somebody waits")
def one_joins_a_turn(running, waiting, places):
    running, waiting = alive(running), alive(waiting)
    free = min(1, places - len(running))
    return running + waiting[:free], waiting[free:]


@wrong("15.turn", says="more requests are running than there are places")
def everybody_joins(running, waiting, places):
    return alive(running) + alive(waiting), []


@wrong("15.turn", says="in the order of coming")
def the_last_comes_first(running, waiting, places):
    running, waiting = alive(running), alive(waiting)
    while waiting and len(running) < places:
        running.append(waiting.pop())
    return running, waiting


@wrong("15.turn", says="in the order of coming")
def the_shortest_first(running, waiting, places):
    running, waiting = alive(running), alive(waiting)
    waiting.sort(key=lambda request: request["left"])
    free = places - len(running)
    return running + waiting[:free], waiting[free:]


@wrong("15.turn", says="it has finished, or its reader has gone")
def who_left_while_waiting_gets_a_place(running, waiting, places):
    running = alive(running)
    free = places - len(running)
    return running + waiting[:free], waiting[free:]


@wrong("15.turn", says="a request with tokens left to draw has lost its place")
def everybody_goes_back_to_the_queue(running, waiting, places):
    queue = alive(waiting) + alive(running)
    return queue[:places], queue[places:]


@wrong("15.turn", says="a request is lost")
def those_who_wait_are_turned_away(running, waiting, places):
    running, waiting = alive(running), alive(waiting)
    return running + waiting[: places - len(running)], []


@wrong("15.turn", says="it changes the list running, which belongs to the caller")
def removes_while_it_loops(running, waiting, places):
    for request in running:
        if request["left"] == 0:
            running.remove(request)
    waiting = alive(waiting)
    free = places - len(running)
    return running + waiting[:free], waiting[free:]


@wrong("15.turn", says="a request has been changed")
def counts_down_as_well(running, waiting, places):
    running, waiting = alive(running), alive(waiting)
    free = places - len(running)
    runs = [{**r, "left": max(1, r["left"] - 1)} for r in running + waiting[:free]]
    return runs, waiting[free:]
