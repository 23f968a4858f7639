"""Every attack again, record by record and token by token, as slow and as plain as the formula.

Each function takes the evidence by need and the row of a record; None where the record cannot be scored.
"""

from __future__ import annotations

import math
import statistics

TINY = 1.1754943508222875e-38


def tokens(traces, name, i):
    return [float(value) for value in traces.tokens(name, i)]


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def loglik(traces, i):
    return mean(tokens(traces, "logprob", i))


def ratios(given, i):
    both = zip(tokens(given["target"], "logprob", i), tokens(given["reference"], "logprob", i), strict=True)
    return [ours - theirs for ours, theirs in both]


def lowest(values):
    return mean(sorted(values)[: max(1, round(0.2 * len(values)))])


def z_scores(traces, i):
    columns = (tokens(traces, name, i) for name in ("logprob", "mean_logprob", "std_logprob"))
    return [(lp - mu) / max(sigma, 1e-4) for lp, mu, sigma in zip(*columns, strict=True)]


def over(above, below):
    return max(above, TINY) / max(below, TINY)


def loss(given, i):
    return loglik(given["target"], i)


def zlib(given, i):
    return loglik(given["target"], i) / int(given["target"].zlib_bytes[i])


def lr_sum(given, i):
    return math.fsum(ratios(given, i))


def lr_diff(given, i):
    return mean(ratios(given, i))


def lr_ratio(given, i):
    return over(-loglik(given["reference"], i), -loglik(given["target"], i))


def min_k(given, i, need="target"):
    return lowest(tokens(given[need], "logprob", i))


def min_k_calibrated(given, i):
    return min_k(given, i) - min_k(given, i, "reference")


def min_k_plus_plus(given, i, need="target"):
    return lowest(z_scores(given[need], i))


def min_k_plus_plus_calibrated(given, i):
    return min_k_plus_plus(given, i) - min_k_plus_plus(given, i, "reference")


def ez(given, i):
    d, gaps = ratios(given, i), tokens(given["target"], "gap", i)
    wrong = [x for x, gap in zip(d, gaps, strict=True) if gap < 0]
    up, down = math.fsum(x for x in wrong if x > 0), math.fsum(-x for x in wrong if x < 0)
    raised = math.fsum(x for x in d if x > 0)
    if not wrong:
        return 2e12 + raised if raised else 1
    if down:
        return up / max(down, 1e-6)
    return 1e12 + up if up else 1


def wbc(given, i):
    d = ratios(given, i)
    sizes = [w for w in (2, 3, 4, 6, 9, 13, 18, 25, 32, 40) if w <= len(d) // 2] or [max(1, len(d) // 2)]
    return mean(mean(math.fsum(d[j : j + w]) > 0 for j in range(len(d) - w + 1)) for w in sizes)


def surp(given, i):
    logprobs, entropies = tokens(given["target"], "logprob", i), tokens(given["target"], "mean_logprob", i)
    edge = sorted(logprobs)[max(1, round(0.2 * len(logprobs))) - 1]
    found = [lp for lp, mu in zip(logprobs, entropies, strict=True) if lp <= edge and -mu < 2]
    return mean(found) if found else lowest(logprobs)


def dc_pdd(target, i, known):
    """`known`: token ids of the known non-members, one after the other."""
    worth, kinds = {}, len(set(known)) + 1
    for token, lp in zip(target.tokens("token_id", i).tolist(), tokens(target, "logprob", i), strict=True):
        frequency = (known.count(token) + 1) / (len(known) + kinds)
        worth.setdefault(token, min(math.exp(lp) * math.log(1 / frequency), 0.01))
    return mean(worth.values())


def lowercase(given, i):
    return over(-loglik(given["lowercase"], i), -loglik(given["target"], i))


def recall(given, i):
    return over(-loglik(given["nonmember_shots"], i), -loglik(given["target"], i))


def con_recall(given, i):
    lost = loglik(given["nonmember_shots"], i) - loglik(given["member_shots"], i)
    return lost / min(loglik(given["target"], i), -TINY)


def neighbourhood(given, i):
    return loglik(given["target"], i) - mean(loglik(one, i) for one in given["neighbours"] if one.lengths[i])


def smaller_model(given, i):
    return over(-sum(tokens(given["second"], "logprob", i)), -sum(tokens(given["target"], "logprob", i)))


def in_domain_ratio(given, i):
    return over(-loglik(given["in_domain"], i), -loglik(given["target"], i))


def gradient_norm(given, i):
    return -float(given["gradient"][i])


def sides(shadows, i):
    """Mean log-probabilities of a record under the shadows with it, and under those without."""
    into, out_of = [], []
    for one, inside in zip(shadows.traces, shadows.inside, strict=True):
        (into if inside[i] else out_of).append(loglik(one, i))
    return into, out_of


def deviation(samples):
    """One standard deviation about the samples' own means."""
    squares = math.fsum((x - mean(sample)) ** 2 for sample in samples for x in sample)
    return math.sqrt(max(squares / max(sum(len(sample) - 1 for sample in samples), 1), 1e-6))


def lira(given, i):
    target, shadows = given["target"], given["shadows"]
    everyone = [sides(shadows, j) for j in range(len(target)) if target.lengths[j]]
    logs = []
    for side in (0, 1):
        sample = sides(shadows, i)[side]
        if not sample:
            return None
        sigma = deviation([pair[side] for pair in everyone if pair[side]])
        logs.append(-math.log(sigma * math.sqrt(2 * math.pi)) - (loglik(target, i) - mean(sample)) ** 2 / sigma**2 / 2)
    return logs[0] - logs[1]


def relative(given, i):
    """Log of target probability over mean shadow probability; None where it is not known."""
    if not given["target"].lengths[i] or not all(sides(given["shadows"], i)):
        return None
    means = [mean(math.exp(x) for x in side) for side in sides(given["shadows"], i)]
    return loglik(given["target"], i) - math.log(mean(means))


def rmia(given, i):
    shadows, ours, wins = given["shadows"], relative(given, i), []
    for z in range(len(given["target"])):
        theirs = relative(given, z) if shadows.population[z] and shadows.groups[z] != shadows.groups[i] else None
        if ours is not None and theirs is not None:
            wins.append(0.5 if math.isclose(ours, theirs, abs_tol=1e-12) else float(ours > theirs))
    return mean(wins) if wins else None


def learned(given, i):
    """The features of a record, in the order of the classifier's columns."""
    d = ratios(given, i)
    found = [one(given, i) for one in (loss, zlib, min_k, min_k_plus_plus, surp)]
    found += [one(given, i) for one in (lr_sum, lr_diff, min_k_calibrated, min_k_plus_plus_calibrated, wbc)]
    found += [math.log(1 + one(given, i)) for one in (lr_ratio, ez)]
    for traces in (given["target"], given["reference"]):
        gaps = tokens(traces, "gap", i)
        found += [mean(math.log(rank) for rank in tokens(traces, "rank", i)), mean(gap < 0 for gap in gaps)]
        found += [mean(gaps), mean(z_scores(traces, i))]
    return [*found, statistics.pstdev(d), *(quantile(d, q) for q in (0.1, 0.25, 0.5, 0.75, 0.9))]


def quantile(values, q):
    """Linear between the two nearest of the sorted values."""
    ranked, place = sorted(values), q * (len(values) - 1)
    low = math.floor(place)
    return ranked[low] + (place - low) * (ranked[min(low + 1, len(values) - 1)] - ranked[low])
