"""Random PromQL, from a seed: trees that print as text and can be made smaller (shrunk()).

What 2.x and 3.x of Prometheus answer differently on purpose is not generated; each such place says so. Other than that
every function, operator and modifier of 2.42 comes.

Values have a level, because rounding must not decide whether two servers agree:
  MILD   small multiples of 1/8: sums are exact in any order
  EXACT  any value, but bit for bit the same on both sides
  LOOSE  equal but for rounding: nothing that jumps (comparisons, floor, topk) or cancels (+, -, sum) may stand above
Times have a phase: seconds modulo 10 of the times an expression is evaluated at. 2.x counts the sample at the left end
of a range, 3.x does not; so windows of subqueries must not begin at one of their steps."""
import copy

MILD, EXACT, LOOSE = range(3)
PHASE = 3  # of a query's times

LABELS = ("job", "instance", "dc")
VALUES = {"job": ("api", "db", "web front"), "instance": ("a:1", "b:2", "c:3", "d:4", "e:5"),
          "dc": ("münchen", "東京", 'q"uo\\te', "")}
QUANTILES = ("0", "0.5", "0.25", "1", "0.9", "-1", "2", "NaN")
MILD_METRICS = ("g", "g", "p", "u", "c_total", "one", "info", "come_and_go")
HISTOGRAMS = ("h_bucket", "broken_bucket", "endless_bucket")


class Node:
    """kind: v instant vector, s scalar, m range vector, t string, x no expression on its own."""

    def __init__(self, kind, *parts, ordered=False, nameless=False, names=False):
        self.kind, self.parts = kind, list(parts)
        self.ordered = ordered    # the order of an instant query's result is defined
        self.nameless = nameless  # metric names have been dropped: 3.x does that at the end of a query, 2.x at once
        self.names = names        # several metric names: dropping them may make series equal, an error in 2.x only

    def __str__(self):
        return "".join(str(p) for p in self.parts)

    def children(self):
        return [p for p in self.parts if isinstance(p, Node)]

    def walk(self):
        yield self
        for child in self.children():
            yield from child.walk()

    def size(self):
        return sum(1 for _ in self.walk())


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Generator:
    def __init__(self, random, base):
        self.r, self.base = random, base

    def some(self, values, least=0):
        values = list(values)
        return self.r.sample(values, self.r.randint(least, len(values)))

    def chance(self, p):
        return self.r.random() < p

    # selectors

    def matcher(self):
        label = self.r.choice(LABELS)
        value = self.r.choice(VALUES[label])
        op = self.r.choice(("=", "!=", "=~", "!~", "=", "!="))
        if "~" in op:
            value = self.r.choice((".*", ".+", "", value.replace('"', ".").replace("\\", "."), "a.*|b:2", "[a-c]:.",
                                   "(api|db)?",
                                   ".*:(1|2|9)", "(?i)API", "..", "w.*t"))
        return f"{label}{op}{quoted(value)}"

    def matchers(self):
        return ",".join(self.matcher() for _ in range(self.r.choice((0, 0, 0, 1, 1, 2))))

    def metric(self, level):
        if level != MILD and self.chance(0.2):
            return "extreme"
        return "absent_here" if self.chance(0.02) else self.r.choice(MILD_METRICS)

    def selector(self, level, names=False):
        if names and self.chance(0.1):
            rest = self.matchers()
            several = self.r.choice(("g|u", "p|info", "one|u|p", "[gu]"))
            return Node("v", f'{{__name__=~"{several}"' + (rest and "," + rest) + "}", names=True)
        name = self.metric(level)
        rest = self.matchers()
        if self.chance(0.05):
            return Node("v", f'{{__name__="{name}"' + (rest and "," + rest) + "}")
        return Node("v", name + (f"{{{rest}}}" if rest or self.chance(0.1) else ""))

    def at(self):
        if self.chance(0.75):
            return ""
        return " @ " + self.r.choice(("start()", "end()", str(self.base + 10 * self.r.randint(-10, 250) + PHASE)))

    def seconds(self, seconds):
        if seconds % 60 == 0 and seconds and self.chance(0.7):
            return f"{seconds // 60}m"
        return f"{seconds // 60}m{seconds % 60}s" if seconds > 60 and seconds % 60 and self.chance(0.3) else f"{seconds}s"

    def shift(self, phase=None):
        """offset and @, in either order. With a phase: such that the result has another remainder than 0."""
        at, offset = self.at(), 0
        if self.chance(0.3):
            offset = self.r.randint(-200, 900)
        if phase is not None:
            phase = PHASE if at else phase
            while (phase - offset) % 10 == 0:
                offset += self.r.randint(1, 9)
        text = f" offset {'-' if offset < 0 else ''}{self.seconds(abs(offset))}" if offset else ""
        return text + at if self.chance(0.5) else at + text

    def shifted_selector(self, level, names=False):
        node = self.selector(level, names)
        if self.chance(0.25):
            node.parts.append(self.shift())
        return node

    def range_of(self, depth, phase, level):
        """A range vector; its nameless tells whether names were dropped."""
        if depth > 0 and self.chance(0.3):
            inner = self.vector(depth - 1, 0, level)
            if inner.names:
                inner = self.selector(level)
            step = self.r.choice((10, 20, 30, 60, 60))
            length = self.r.choice((step, 2 * step, 60, 120, 300, 310))
            # A range without a step in it: 2.x answers if what is asked has an @.
            colon = ":" if length >= 60 and self.chance(0.15) else f":{self.seconds(step)}"
            return Node("m", "(", inner, f")[{self.seconds(length)}{colon}]{self.shift(phase)}",
                        nameless=inner.nameless)
        length = self.r.choice((10, 20, 30, 60, 90, 120, 300, 600, 1800))
        return Node("m", self.selector(level), f"[{self.seconds(length)}]{self.shift() if self.chance(0.3) else ''}")

    def counter_range(self):
        """For rate and increase: 3.x limits extrapolation to zero differently where a window begins long before its first
        sample and the counter is near zero there. c_total has no gaps and begins high; steep_total never is near zero."""
        name = self.r.choice(("c_total", "c_total", "steep_total"))
        rest = self.matchers()
        length = self.r.choice((10, 20, 30, 60, 90, 120, 300, 600, 1800))
        return Node("m", Node("v", name + (f"{{{rest}}}" if rest else "")),
                    f"[{self.seconds(length)}]{self.shift() if self.chance(0.3) else ''}")

    # scalars

    def number(self, level):
        if level == MILD:
            return self.r.choice(("0", "1", "2", "3", "-1", "0.5", "1e1", "0x1F", "4.25", "+7"))
        return self.r.choice(("0", "1", "2", "-2.5", ".5", "1e3", "0x1F", "1e-3", "NaN", "Inf", "-Inf", "+Inf", "3.7",
                              "1e308", "077"))

    def scalar(self, depth, phase, level):
        if depth <= 0 or self.chance(0.5):
            if level != MILD and self.chance(0.1):
                return Node("s", "time()")
            return Node("s", "pi()") if level == LOOSE and self.chance(0.05) else Node("s", self.number(level))
        kind = self.r.randrange(4) if level != MILD else self.r.randrange(1, 4)  # NaN is not mild
        if kind == 0:
            return Node("s", "scalar(", self.vector(depth - 1, phase, level), ")")
        if kind == 1:
            return Node("s", "-", self.scalar(depth - 1, phase, level))
        if kind == 2:
            level = min(level, EXACT)
            return Node("s", "(", self.scalar(depth - 1, phase, level),
                        f" {self.r.choice(('==', '!=', '<', '<=', '>', '>='))} bool ",
                        self.scalar(depth - 1, phase, level), ")")
        ops = {MILD: "+ -", EXACT: "+ - * / %", LOOSE: "* / ^ atan2"}[level].split()
        inner = MILD if level == LOOSE else level
        return Node("s", "(", self.scalar(depth - 1, phase, inner), f" {self.r.choice(ops)} ",
                    self.scalar(depth - 1, phase, inner), ")")

    # vectors

    def vector(self, depth, phase, level, names=False):
        """names: the consumer does not mind several metric names."""
        if depth <= 0:
            return self.shifted_selector(level, names)
        made = self.r.choices(
            (self.shifted_selector_of, self.aggregation, self.ranking, self.rollup, self.element, self.arithmetic,
             self.comparison, self.set, self.labels, self.presence, self.histogram, self.sorted, self.from_scalar,
             self.unary, self.calendar, self.slip),
            (10, 16, 4, 20, 12, 14, 12, 8, 6, 5, 4, 2, 2, 3, 2, 0.6))[0](depth - 1, phase, level, names)
        if made.names and not names:
            return self.shifted_selector(level)
        return Node("v", "(", made, ")", ordered=made.ordered, nameless=made.nameless,
                    names=made.names) if self.chance(0.1) else made

    def shifted_selector_of(self, _depth, _phase, level, names):
        return self.shifted_selector(level, names)

    def grouping(self, child):
        if self.chance(0.3):
            return ""
        labels = self.some(LABELS + ("nowhere", "le"))[:3]
        if not child.nameless and self.chance(0.1):
            labels.append("__name__")
        return f" {self.r.choice(('by', 'without', 'by'))} ({', '.join(labels)}) "

    def aggregation(self, depth, phase, level, _names):
        # stddev and stdvar of one infinite value are 0 in 2.x and NaN in 3.x: of mild ones only.
        ops = ("sum", "min", "max", "count", "group") + (("avg", "stddev", "stdvar", "quantile", "count_values")
                                                         if level == LOOSE else ())
        op = self.r.choice(ops)
        child_level = {"sum": MILD, "avg": MILD, "stddev": MILD, "stdvar": MILD, "quantile": EXACT,
                       "count_values": EXACT}.get(op, level)
        child = self.vector(depth, phase, child_level, names=True)
        by = self.grouping(child)
        parameter = ""
        if op == "quantile":
            # Of an expression with @ 2.x takes the parameter at the first step alone.
            computed = self.chance(0.2) and "@" not in str(child)
            parameter = self.scalar(min(depth, 1), phase, MILD) if computed else self.r.choice(QUANTILES)
        if op == "count_values":
            # 2.x loses labels of by () where the new one does not come last.
            parameter = quoted(self.r.choice(("value", "job", "instance")) if " by" not in by else "value")
        inside = ["(", *((parameter, ", ") if parameter else ()), child, ")"]
        if by and self.chance(0.3):
            return Node("v", op, *inside, by.rstrip())
        return Node("v", op, by, *inside)

    def ranking(self, depth, phase, _level, names):
        """Of u: its values are all different. Which of equals are taken is not defined."""
        rest = self.matchers()
        child = Node("v", "u" + (f"{{{rest}}}" if rest else "") + (self.shift() if self.chance(0.2) else ""))
        if self.chance(0.3):
            child = Node("v", child, self.r.choice((" * 2", " + 1", " / 4", " - 0.5")), nameless=True)
        by = self.grouping(child) if self.chance(0.5) else ""
        k = self.r.choice(("1", "2", "3", "10", "0", "-1", "1.9"))
        return Node("v", self.r.choice(("topk", "bottomk")), by, f"({k}, ", child, ")", ordered=not by,
                    nameless=child.nameless)

    def rollup(self, depth, phase, level, _names):
        named = ("last_over_time",)
        exact = ("min_over_time", "max_over_time", "count_over_time", "present_over_time", "changes", "resets",
                 "last_over_time", "idelta")
        loose = ("avg_over_time", "stddev_over_time", "stdvar_over_time", "quantile_over_time", "deriv",
                 "predict_linear", "holt_winters", "delta",
                 "rate", "increase", "irate")
        op = self.r.choice(exact + ("sum_over_time",) + (loose if level == LOOSE else ()))
        if op in ("rate", "increase"):
            return Node("v", f"{op}(", self.counter_range(), ")", nameless=True)
        child_level = MILD if op in loose or op == "sum_over_time" else min(level, EXACT) if op not in named else level
        child = self.range_of(depth, phase, child_level)
        before = after = ""
        if op == "predict_linear" and "@" in child.parts[-1]:
            return Node("v", "deriv(", child, ")", nameless=True)  # 2.x loses steps: the window moves in spite of @
        if op == "quantile_over_time":
            before = self.r.choice(("0", "0.5", "0.25", "1", "0.9", "-1", "2")) + ", "
        if op == "predict_linear":
            after = ", " + self.r.choice(("0", "60", "3600", "-60"))
        if op == "holt_winters":
            after = ", " + self.r.choice(("0.5, 0.5", "0.1, 0.9", "0.75, 0.25"))
        return Node("v", f"{op}({before}", child, f"{after})", nameless=child.nameless or op not in named)

    def element(self, depth, phase, level, _names):
        mild = ("abs", "ceil", "floor", "sgn", "round", "clamp", "clamp_min", "clamp_max")
        loose = ("exp", "ln", "log2", "log10", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
                 "tanh", "asinh", "acosh", "atanh",
                 "deg", "rad", "timestamp")
        op = self.r.choice(mild + (loose if level == LOOSE else ()))
        child = self.vector(depth, phase, level if op == "abs" else min(level, EXACT) if op in mild + ("timestamp",)
                            else MILD)
        rest = []
        if op == "timestamp" and "@" in str(child) and "offset" in str(child):  # 2.x forgets the offset
            op = "abs"
        if op == "round" and self.chance(0.5):
            rest = [", ", self.r.choice(("1", "0.5", "2", "0.25"))]
        elif op.startswith("clamp"):
            rest = [", ", self.scalar(min(depth, 1), phase, min(level, EXACT))]
            rest += [", ", self.scalar(min(depth, 1), phase, min(level, EXACT))] if op == "clamp" else []
        return Node("v", f"{op}(", child, *rest, ")", nameless=True)

    def side(self, depth, phase, level, names=False):
        node = self.vector(depth, phase, level, names)
        return Node("v", "(", node, ")", nameless=node.nameless,
                    names=node.names) if node.size() > 1 and self.chance(0.7) else node

    def matching(self, groups=True):
        if self.chance(0.35):
            return ""
        labels = self.some(LABELS + ("version",) * self.chance(0.2))
        text = f" {self.r.choice(('on', 'ignoring'))} ({', '.join(labels)}) "
        if groups and self.chance(0.5):
            others = ("version", "dc", "nowhere")
            others = [label for label in others if " on " not in text or label not in labels]
            included = self.r.choice(("", " ()", f" ({', '.join(self.some(others))})"))
            text += self.r.choice(("group_left", "group_right")) + included + " "
        return text

    def joined(self, op, depth, phase, level):
        """Two vectors or, mostly, ones that match."""
        if self.chance(0.4):
            many = self.shifted_selector(MILD)
            return Node("v", many, f" {op} on (instance, job) group_left ({self.r.choice(('', 'version', 'dc'))}) ",
                        Node("v", "info"), nameless=True)
        return Node("v", self.side(depth, phase, level), f" {op} {self.matching()}", self.side(depth, phase, level),
                    nameless=True)

    def arithmetic(self, depth, phase, level, _names):
        ops = {MILD: "+ -", EXACT: "+ - * / %", LOOSE: "+ - * / % ^ atan2"}[level].split()
        op = self.r.choice(ops)
        inner = level if level != LOOSE else LOOSE if op in "*/" else EXACT if op in "+-%" else MILD
        if self.chance(0.45) or op == "atan2":
            side = self.side(depth, phase, inner)
            if op == "atan2":  # of which 2.x keeps the metric name
                side = Node("v", "abs(", side, ")", nameless=True)
            sides = [side, f" {op} ", self.scalar(min(depth, 2), phase, inner)]
            return Node("v", *(sides if self.chance(0.6) else sides[::-1]), nameless=True)
        return self.joined(op, depth, phase, inner)

    def comparison(self, depth, phase, level, _names):
        level = min(level, EXACT)
        word = " bool" if self.chance(0.4) else ""
        op = self.r.choice(("==", "!=", "<", "<=", ">", ">="))
        if self.chance(0.5):
            side = self.side(depth, phase, level)
            sides = [side, f" {op}{word} ", self.scalar(min(depth, 2), phase, level)]
            return Node("v", *(sides if self.chance(0.6) else sides[::-1]), nameless=bool(word) or side.nameless)
        return self.joined(op + word, depth, phase, level)

    def set(self, depth, phase, level, names):
        op = self.r.choice(("and", "or", "unless"))
        left, right = self.side(depth, phase, level, names), self.side(depth, phase, level, names)
        matching = self.matching(groups=False)
        return Node("v", left, f" {op} {matching}", right, nameless=left.nameless or right.nameless,
                    names=left.names or right.names or (op == "or" and bool(matching)))

    def labels(self, depth, phase, level, _names):
        child = self.vector(depth, phase, level)
        sources = LABELS + (() if child.nameless else ("__name__",)) + ("nowhere",)
        target = self.r.choice(LABELS + ("fresh", "fresh") + (() if child.nameless else ("__name__",)))
        if self.chance(0.4):
            rest = "".join(f", {quoted(s)}" for s in self.some(sources))
            return Node("v", "label_join(", child,
                        f", {quoted(target)}, {quoted(self.r.choice(('-', '', '/')))}{rest})", nameless=child.nameless)
        pattern, into = self.r.choice((("(.*)", "$1"), ("(.)(.*)", "$2-$1"), ("(?P<head>.):(.*)", "${head}_$2"),
                                       (".*", "same"), ("nothing", "no"),
                                       ("", "empty"), ("(.+)", ""), ("a(.*)", "$1$$x$3"), ("([a-z]+).*", "x$1x")))
        return Node("v", "label_replace(", child,
                    f", {quoted(target)}, {quoted(into)}, {quoted(self.r.choice(sources))}, {quoted(pattern)})",
                    nameless=child.nameless)

    def presence(self, depth, phase, level, _names):
        if self.chance(0.4):
            return Node("v", "absent_over_time(", self.range_of(depth, phase, level), ")")
        return Node("v", "absent(", self.vector(depth, phase, level, names=True) if self.chance(0.6)
                    else Node("v", f"absent_here{{{self.matchers()}}}"), ")")

    def histogram(self, depth, phase, level, names):
        if level != LOOSE:
            return self.rollup(depth, phase, level, names)
        name = self.r.choice(HISTOGRAMS)
        rest = self.matchers()
        buckets = Node("v", f"{name}{{{rest}}}" if rest else name)
        if self.chance(0.4):
            buckets = Node("v", f"sum by (le{self.r.choice(('', ', job', ', instance, dc'))}) (", buckets, ")")
        q = self.r.choice(("0", "0.5", "0.9", "0.99", "1", "-0.1", "1.1", "NaN", "scalar(one) / 1000"))
        return Node("v", f"histogram_quantile({q}, ", buckets, ")", nameless=True)

    def sorted(self, depth, phase, level, names):
        child = self.vector(depth, phase, min(level, EXACT), names)
        return Node("v", self.r.choice(("sort(", "sort_desc(")), child, ")", ordered=True, nameless=child.nameless,
                    names=child.names)

    def from_scalar(self, depth, phase, level, _names):
        return Node("v", "vector(", self.scalar(depth, phase, level), ")")

    def unary(self, depth, phase, level, _names):
        child = self.side(depth, phase, level)
        sign = self.r.choice("--+")
        return Node("v", sign, child, nameless=child.nameless or sign == "-")

    def calendar(self, _depth, _phase, _level, _names):
        op = self.r.choice(("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month",
                            "year"))
        return Node("v", f"{op}(", *((Node("v", "moment_seconds"),) if self.chance(0.8) else ()), ")", nameless=True)

    def slip(self, depth, phase, level, _names):
        """What is refused, or mostly."""
        v, s = self.vector(depth, phase, level), self.scalar(1, phase, level)
        return Node("v", *self.r.choice((
            ("rate(", v, ")"), ("sum(", s, ")"), (v, " and ", s), ("abs(", v, ", ", s, ")"), ("nosuch(", v, ")"),
            ("topk(", v, ")"), (s, " > ", s),
            ("histogram_quantile(", v, ")"), (v, " + on (job) group_left (job) ", v), (v, "[5m]"),
            ('label_replace(', v, ', "a", "b", "c", "(")'),
            ("topk(NaN, ", v, ")"), ("topk(1e30, ", v, ")"), ("sum by (", v, ")"), (v, " =~ ", v),
            ('count_values("a b\\xff", ', v, ")"), ('g{a="', "b}"),
            ("max_over_time(", v, "[5m:0s])"), ("g + ", ), ("{}", ), ('{job=~".*"}', ), ("time(", s, ")"),
            ("holt_winters(g[5m], 2, ", s, ")"),
            ("g @ ", v), ("bool ", v), (v, " == bool bool ", v), (v, " or group_left ", v))))

    def query(self):
        depth = self.r.choice((1, 2, 2, 3, 3, 4))
        kind = self.r.random()
        level = self.r.choice((MILD, EXACT, LOOSE, LOOSE, LOOSE))
        if kind < 0.92:
            return self.vector(depth, PHASE, level, names=True)
        if kind < 0.96:
            return self.scalar(depth, PHASE, level)
        return self.range_of(depth, PHASE, level) if kind < 0.995 else Node("t", quoted(self.r.choice(VALUES["dc"])))


LEAVES = {"v": ("g", "one"), "s": ("1",), "m": ("g[5m]",), "t": ('"a"',), "x": ()}


def smaller(tree):
    """Trees with one node replaced by something smaller of its kind."""
    count = tree.size()
    for index in range(count):
        node = list(tree.walk())[index]
        for inner in list(node.walk())[1:] + [Node(node.kind, leaf) for leaf in LEAVES[node.kind] if node.size() > 1]:
            if inner.kind != node.kind:
                continue
            if index == 0:
                yield inner
                continue
            made = copy.deepcopy(tree)
            place = list(made.walk())[index]
            place.parts, place.ordered = copy.deepcopy(inner.parts), inner.ordered
            yield made


def shrunk(tree, fails, patience=200):
    """The smallest tree found that still fails."""
    found = True
    while found and patience > 0:
        found = False
        for candidate in sorted(smaller(tree), key=lambda t: len(str(t))):
            patience -= 1
            if len(str(candidate)) < len(str(tree)) and fails(candidate):
                tree, found = candidate, True
                break
            if patience <= 0:
                break
    return tree
