import math

import numpy as np
from wrong_answers import wrong

from tinygpt.optim import clip_factor
from tinygpt.params import views


def loop(model, optimizer, batch, rate, begin, end, parts, *, step_of=None, limit=1.0, add=None,
         means=False, each_part=False, answer=1, count_of=None, scale_of=None):  # fmt: skip
    grads, losses = np.zeros_like(model.flat), []
    g = views(grads, model.config)
    for step in range(begin, end):
        step = step_of(step) if step_of else step
        pair = batch(step)
        x, y = pair[0], pair[answer]
        loss = 0.0
        for i, rows in enumerate(np.array_split(np.arange(len(x)), parts)):
            count = None if means else count_of(y) if count_of else y.size
            loss += model.loss_and_gradients(
                x[rows], y[rows], g, count=count, accumulate=i > 0 if add is None else add
            )
            if each_part or i == parts - 1:
                norm = math.sqrt(grads @ grads)
                scale = scale_of(norm) if scale_of else clip_factor(norm, limit)
                optimizer.begin_step()
                optimizer.update(model.flat, grads, rate(step), scale=scale, part=slice(None))
        losses.append(loss)
    return losses


@wrong("11.train", says="each step adds to the gradients of the step before")
def never_zeroed(model, optimizer, batch, rate, begin, end, parts):
    return loop(model, optimizer, batch, rate, begin, end, parts, add=True)


@wrong("11.train", says="each step adds to the gradients of the step before")
def never_zeroed_nor_clipped(model, optimizer, batch, rate, begin, end, parts):
    grads = np.zeros_like(model.flat)
    g, losses = views(grads, model.config), []
    for step in range(begin, end):
        x, y = batch(step)
        losses.append(model.loss_and_gradients(x, y, g, accumulate=True))
        optimizer.begin_step()
        optimizer.update(model.flat, grads, rate(step), part=slice(None))
    return losses


@wrong("11.train", says="only the last one counts")
def each_part_overwrites(model, optimizer, batch, rate, begin, end, parts):
    return loop(model, optimizer, batch, rate, begin, end, parts, add=False)


@wrong("11.train", says="the loss is parts times too large")
def means_added_up(model, optimizer, batch, rate, begin, end, parts):
    return loop(model, optimizer, batch, rate, begin, end, parts, means=True)


@wrong("11.train", says="gradients are parts times too large")
def the_loss_divided_but_not_the_gradients(model, optimizer, batch, rate, begin, end, parts):
    losses = loop(model, optimizer, batch, rate, begin, end, parts, means=True)
    return [loss / parts for loss in losses]


@wrong("11.train", says="not clipped")
def without_clipping(model, optimizer, batch, rate, begin, end, parts):
    return loop(model, optimizer, batch, rate, begin, end, parts, limit=0.0)


@wrong("11.train", says="and not the norm itself")
def scaled_by_the_norm(model, optimizer, batch, rate, begin, end, parts):
    return loop(model, optimizer, batch, rate, begin, end, parts, scale_of=lambda norm: norm)


@wrong("11.train", says="len(y) its rows")
def divided_by_the_rows(model, optimizer, batch, rate, begin, end, parts):
    return loop(model, optimizer, batch, rate, begin, end, parts, count_of=len)


@wrong("11.train", says="the last part's alone")
def the_loss_of_the_last_part(model, optimizer, batch, rate, begin, end, parts):
    losses = []

    class Told:  # the model, whose losses are written down
        flat, config = model.flat, model.config

        def loss_and_gradients(self, *arguments, **settings):
            losses.append(model.loss_and_gradients(*arguments, **settings))
            return losses[-1]

    loop(Told(), optimizer, batch, rate, begin, end, parts)
    return losses[parts - 1 :: parts]


@wrong("11.train", says="gradients that update gets are all 0")
def gradients_into_another_array(model, optimizer, batch, rate, begin, end, parts):
    grads, losses = np.zeros_like(model.flat), []
    for step in range(begin, end):
        x, y = batch(step)
        losses.append(model.loss_and_gradients(x, y, views(grads.copy(), model.config)))
        optimizer.begin_step()
        optimizer.update(model.flat, grads, rate(step), part=slice(None))
    return losses


@wrong("11.train", says="once a step, not once a part")
def a_step_for_each_part(model, optimizer, batch, rate, begin, end, parts):
    return loop(model, optimizer, batch, rate, begin, end, parts, each_part=True)


@wrong("11.train", says="that of copying x")
def y_is_not_shifted(model, optimizer, batch, rate, begin, end, parts):
    return loop(model, optimizer, batch, rate, begin, end, parts, answer=0)


@wrong("11.train", says="for the steps [3, 4], and calls it for [0, 1]")
def begins_anew(model, optimizer, batch, rate, begin, end, parts):
    return loop(model, optimizer, batch, rate, begin, end, parts, step_of=lambda s: s - begin)


@wrong("11.train", says="raises ZeroDivisionError")
def begin_step_forgotten(model, optimizer, batch, rate, begin, end, parts):
    grads = np.zeros_like(model.flat)
    x, y = batch(begin)
    loss = model.loss_and_gradients(x, y, views(grads, model.config))
    optimizer.update(model.flat, grads, rate(begin), part=slice(None))
    return [loss]


@wrong("11.train", says="the parameters have not moved")
def trains_a_copy(model, optimizer, batch, rate, begin, end, parts):
    grads, losses, flat = np.zeros_like(model.flat), [], model.flat.copy()
    for step in range(begin, end):
        x, y = batch(step)
        losses.append(model.loss_and_gradients(x, y, views(grads, model.config)))
        optimizer.begin_step()
        optimizer.update(flat, grads, rate(step), part=slice(None))
    return losses


@wrong("11.train", says="it returns a float and should return a list of 1 losses")
def the_last_loss_alone(model, optimizer, batch, rate, begin, end, parts):
    return loop(model, optimizer, batch, rate, begin, end, parts)[-1]


def write(path, model, optimizer, /, *numbers, **other):
    state = {"flat": model.flat, "m": optimizer.m, "v": optimizer.v, "t": optimizer.t}
    state |= dict(zip(("step", "seed"), numbers, strict=True)) | other
    np.savez(path, **{name: value for name, value in state.items() if value is not None})
    return path


@wrong("11.save", says="the file has no 'm'")
def without_the_moments(path, model, optimizer, step, seed):
    return write(path, model, optimizer, step, seed, m=None, v=None)


@wrong("11.save", says="the file has no 'seed'")
def without_the_seed(path, model, optimizer, step, seed):
    return write(path, model, optimizer, step, seed, seed=None)


@wrong("11.save", says="'t' is not 3")
def the_step_for_t(path, model, optimizer, step, seed):
    return write(path, model, optimizer, step, seed, t=step)


@wrong("11.save", says="'v' is the m of the run")
def m_twice(path, model, optimizer, step, seed):
    return write(path, model, optimizer, step, seed, v=optimizer.m)


@wrong("11.save", says="bits are lost")
def as_float32(path, model, optimizer, step, seed):
    return write(path, model, optimizer, step, seed, flat=model.flat.astype(np.float32))


@wrong("11.save", says="without pickle")
def one_object(path, model, optimizer, step, seed):
    state = {"flat": model.flat, "m": optimizer.m, "v": optimizer.v}
    np.savez(path, state=np.array(state, dtype=object))
    return path


@wrong("11.save", says="no file of that name")
def another_name(path, model, optimizer, step, seed):
    write(path + ".tmp", model, optimizer, step, seed)
    return path


@wrong("11.load", says="are views into the old array")
def another_array(path, model, optimizer):
    with np.load(path) as file:
        model.flat = file["flat"]
        optimizer.m, optimizer.v, optimizer.t = file["m"], file["v"], int(file["t"])
        return int(file["step"]), int(file["seed"])


def read(path, model, optimizer, m="m", v="v", t=int):
    file = np.load(path)
    model.flat[...] = file["flat"]
    optimizer.m[...] = file[m] if m else 0.0
    optimizer.v[...] = file[v] if v else 0.0
    optimizer.t = t(file["t"])
    return int(file["step"]), int(file["seed"])


@wrong("11.load", says="optimizer.m is still 0")
def moments_forgotten(path, model, optimizer):
    return read(path, model, optimizer, m=None, v=None)


@wrong("11.load", says="optimizer.m has got v")
def moments_exchanged(path, model, optimizer):
    return read(path, model, optimizer, m="v", v="m")


@wrong("11.load", says="optimizer.t is 0 and should be 3")
def t_at_zero(path, model, optimizer):
    return read(path, model, optimizer, t=lambda stored: 0)


@wrong("11.load", says="optimizer.t is 5 and should be 3")
def the_step_for_t_again(path, model, optimizer):
    step, seed = read(path, model, optimizer)
    optimizer.t = step
    return step, seed


@wrong("11.load", says="make it a whole number")
def t_stays_an_array(path, model, optimizer):
    return read(path, model, optimizer, t=np.asarray)


@wrong("11.load", says="the step, 5, and the seed, 42")
def step_at_zero(path, model, optimizer):
    return 0, read(path, model, optimizer)[1]


@wrong("11.load", says="model.flat is not what was saved")
def the_optimiser_alone(path, model, optimizer):
    flat = model.flat.copy()
    result = read(path, model, optimizer)
    model.flat[...] = flat
    return result
