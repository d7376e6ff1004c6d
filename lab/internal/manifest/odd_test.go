package manifest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const plainStep = `title: A work queue
needs: [rabbitmq, redis x5]
processes:
  - name: producer
    http: true
  - name: consumer
    count: 2
    in-flight: 10
  - name: old-consumer
    package: ./consumer
    spare: true
run: {rate: 3, work: 200ms}
gauges: {depth: orders in the queue}
variants:
  - name: auto-ack
    about: acknowledges on delivery
inject:
  poison: [./inject]
experiments:
  - name: kill
    about: a consumer is killed
    load: {rate: 50, for: 4s, work: 20ms}
    faults:
      at 2s: kill consumer-1
    promises:
      duplicated: <= in-flight
      highest depth: <= 64
  - name: auto-ack-kill
    variant: auto-ack
    load: {count: 100}
    faults:
      at 1s: kill consumer-1
    shows:
      lost: > 0
`

// Each of these is a manifest that somebody could write. It is accepted, for the reason in its
// name, or refused in one line with the file, the line, the experiment and what is wrong.
func TestOddManifests(t *testing.T) {
	t.Parallel()
	const (
		load  = "load: {rate: 50, for: 4s, work: 20ms}"
		fault = "at 2s: kill consumer-1"
		bound = "duplicated: <= in-flight"
		gauge = "highest depth: <= 64"
		whole = load + "\n    faults:\n      " + fault + "\n    promises:\n      " + bound
		kill  = "experiment kill: "
	)
	cases := []struct{ name, old, new, want string }{
		{"accepted: as it is", "", "", ""},

		// Bounds, as people write them.
		{"accepted: > without quotes, in a block", bound, "failed: > 0", ""},
		{"accepted: > without quotes, in braces", "    promises:\n      " + bound + "\n      " + gauge,
			"    promises: {failed: > 0, lost: >= 1, refused: 0}", ""},
		{"accepted: > without quotes, in a list", bound, "failed: [> 0, <= in-flight]", ""},
		{"accepted: > without a space", bound, "failed: >5", ""},
		{"accepted: > with a comment", bound, "failed: > 5 # of sixty", ""},
		{"accepted: > and a second bound", bound, "failed: > 5 and <= in-flight", ""},
		{"accepted: > in quotes", bound, `failed: "> 5"`, ""},
		{"accepted: a bound in single quotes", bound, "failed: '>= 5'", ""},
		{"a text of several lines", bound, "failed: >-\n        0 or so",
			kill + `promises: failed: "0 or so" is no bound`},
		{"no bound", bound, "failed: few",
			kill + `promises: failed: "few" is no bound: write 0, > 0`},
		{"nothing", bound, "failed:", kill + "promises: failed: says nothing"},
		{"nothing in quotes", bound, `failed: ""`, kill + `promises: failed: "" is no bound`},
		{"half a bound", bound, `failed: "> 0 and"`, "is no bound"},
		{"the wrong way round", bound, `failed: "=> 5"`, "is no bound"},
		{"a C of a bound", bound, "failed: == 0", "is no bound"},
		{"a unit", bound, "failed: 5 orders", "is no bound"},
		{"a negative count", bound, "failed: -1", `"-1" is no count`},
		{"half an order", bound, "failed: 0.5", `"0.5" is no count`},
		{"no number", bound, "failed: .nan", "is no bound"},
		{"forever", bound, "failed: <= .inf", "is no bound"},
		{"an exponent", bound, "failed: 1e3", `"1e3" is no count`},
		{"a mapping", bound, "failed: {is: 0}", "want one value or a list"},
		{"an empty list", bound, "failed: []", "says nothing"},
		{"can never fail", bound, `lost: ">= 0"`, kill + "promises: lost: >= 0: can never fail"},
		{"can never hold", bound, "lost: < 0", kill + "promises: lost: < 0: can never hold"},
		{"more than all", bound, `availability: "> 100"`, "can never hold: it is from 0 to 100"},
		{"no more than all", bound, "availability: <= 100", "can never fail"},
		{"a percent sign", bound, `availability: ">= 99%"`, "is no bound: write >= 99.5"},
		{"accepted: a part of a percent", bound, `availability: ">= 99.5"`, ""},
		{"two that exclude each other", bound, `lost: "> 5 and < 3"`,
			"> 5 and < 3 can never hold together"},
		{"accepted: two with a gap between", bound, `lost: "> 3 and < 5"`, ""},
		{"the same twice in a list", bound, "lost: [0, 0]", `"0" is there twice`},

		// Times.
		{"accepted: a percentile of its own", bound, "answer p95: <= 250ms", ""},
		{"no percentile", bound, "answer p0: <= 250ms", "p0 is no percentile"},
		{"beyond the last", bound, "answer p101: <= 250ms", "p101 is no percentile"},
		{"no unit", bound, "answer p99: <= 250", "is no bound of a time: write <= 250ms"},
		{"a time to the nanosecond", bound, "answer p99: 250ms", "is no bound of a time"},
		{"no time at all", bound, "answer p99: <= 0s", "can never hold"},
		{"recovers by then", bound, "recovers: 5s", `write within 10s, not "5s"`},
		{"recovers at once", bound, "recovers: within 0s", "can never hold"},
		{"accepted: recovers late", bound, "recovers: after 3s", ""},
		{"recovers later than never", bound, "recovers: after 0s", `write after 10s, not "after 0s"`},
		{"recovers before", bound, "recovers: within -3s", "can never hold"},
		{"accepted: recovers in time", bound, "recovers: within 3s", ""},
		{"recovers from nothing", fault + "\n    promises:\n      " + bound,
			"at 2s: burst 5\n    promises:\n      recovers: within 3s", "nothing is broken"},
		{"recovers, and nobody comes", whole,
			"load: {count: 60}\n    faults:\n      " + fault + "\n    promises:\n      recovers: within 3s",
			"is seen by customers who keep coming"},

		// Names.
		{"no figure", bound, "losst: 0",
			kill + "promises: losst: no run has such a figure: did you mean lost?"},
		{"no figure, and none is near", bound, "luck: 0", "no run has such a figure: there are "},
		{"no gauge", gauge, "highest depht: <= 64",
			kill + `promises: highest depht: there is no gauge "depht" in gauges: did you mean depth?`},
		{"a gauge that is not declared", gauge, "highest memory: <= 64",
			`there is no gauge "memory" in gauges: there is depth`},
		{"a family that is misspelt", gauge, "higest depth: <= 64", "did you mean highest depth?"},
		{"accepted: a process", gauge, "processed by consumer-2: 0", ""},
		{"no such number", gauge, "processed by consumer-7: 0",
			`there is no process "consumer-7" in this run: did you mean consumer-`},
		{"no such kind", gauge, "processed by consumr-1: 0", "did you mean consumer-1?"},
		{"a kind of which there are two", gauge, "processed by consumer: 0",
			`there is no process "consumer" in this run: did you mean consumer-1?`},
		{"one that is alone has no number", gauge, "processed by producer-1: 0",
			"did you mean producer?"},
		{"accepted: one of those that scale adds", load, load + "\n    scale: {consumer: 8}", ""},
		{"accepted: one that a fault adds", fault + "\n    promises:\n      " + bound,
			"at 2s: scale consumer 4\n    promises:\n      processed by consumer-4: > 0", ""},
		{"accepted: one more", fault + "\n    promises:\n      " + bound,
			"at 2s: scale consumer +1\n    promises:\n      processed by consumer-3: > 0", ""},
		{"one too many", fault + "\n    promises:\n      " + bound,
			"at 2s: scale consumer +1\n    promises:\n      processed by consumer-4: > 0",
			`no process "consumer-4"`},
		{"one that was scaled away", whole,
			load + "\n    scale: {consumer: 1}\n    promises:\n      processed by consumer-2: 0",
			`no process "consumer-2"`},
		{"no variant", "variant: auto-ack", "variant: auto-ak",
			`experiment auto-ack-kill: variant: there is no variant "auto-ak": did you mean auto-ack?`},
		{"no service", "needs: [rabbitmq, redis x5]", "needs: [rabitmq, redis x5]",
			`needs: there is no service "rabitmq": did you mean rabbitmq?`},
		{"a service twice", "needs: [rabbitmq, redis x5]", "needs: [redis, redis x5]",
			"redis is there twice"},
		{"too many nodes", "redis x5", "redis x50", "x1 to x9"},
		{"accepted: other servers of the same kinds", load,
			load + "\n    needs: [redis durable x5, rabbitmq]", ""},
		{"servers of other kinds", load, load + "\n    needs: [rabbitmq]",
			kill + "needs: they take the place of the step's"},
		{"servers that there are not", load, load + "\n    needs: [rabbitmq, reddis x5]",
			`needs: there is no service "reddis": did you mean redis?`},
		{"servers that forget nothing, of a kind that never does", load,
			load + "\n    needs: [rabbitmq durable, redis x5]", "needs: service"},
		{"a program of nobody", "    about: acknowledges on delivery", "    programs: {consumr: ./slide}",
			`variant auto-ack: programs: consumr: there is no process "consumr": did you mean consumer?`},
		{"a program elsewhere", "    about: acknowledges on delivery", "    programs: {consumer: ./../02-async}",
			"variant auto-ack: programs: consumer: \"./../02-async\" is no package of the step"},
		{"accepted: breaks", "    about: acknowledges on delivery",
			"    breaks: {kill: {shows: {lost: \"> 0\"}, idea: acknowledge later}}", ""},
		{"breaks nothing there is", "    about: acknowledges on delivery",
			"    breaks: {kil: {shows: {lost: \"> 0\"}, idea: acknowledge later}}",
			`variant auto-ack: breaks: kil: there is no experiment "kil": did you mean kill?`},
		{"breaks what is wrong", "    about: acknowledges on delivery",
			"    breaks: {auto-ack-kill: {shows: {lost: \"> 0\"}, idea: acknowledge later}}",
			"breaks: auto-ack-kill: is an experiment of the variant auto-ack"},
		{"no book where there is none", "    about: acknowledges on delivery", "    no-book: true",
			`variant auto-ack: no-book: the step keeps none: see audit`},
		{"lacks what nobody sets", "    about: acknowledges on delivery", "    lacks: [TAKE]",
			`variant auto-ack: lacks: "TAKE" is no gauge, and no experiment of the right variant sets it`},
		{"breaks without an idea", "    about: acknowledges on delivery", "    breaks: {kill: {shows: {lost: \"> 0\"}}}",
			"breaks: kill: idea: is missing"},
		{"breaks and shows nothing", "    about: acknowledges on delivery", "    breaks: {kill: {idea: acknowledge later}}",
			"breaks: kill: shows: is missing"},
		{"breaks a figure there is not", "    about: acknowledges on delivery",
			"    breaks: {kill: {shows: {lots: 3}, idea: acknowledge later}}",
			"breaks: kill: shows: lots: no run has such a figure: did you mean lost?"},
		{"the right variant breaks", "  - name: auto-ack\n",
			"  - name: right\n    breaks: {kill: {shows: {lost: \"> 0\"}, idea: none}}\n  - name: auto-ack\n",
			"variant right: breaks: kill: the right variant breaks nothing"},
		{"a variant's servers", "    about: acknowledges on delivery",
			"    needs: [postgres]", "variant auto-ack: needs: they take the place"},
		{"one of five, where there is one", fault,
			"at 2s: kill redis-2\n    needs: [redis, rabbitmq]", `no service "redis-2"`},
		{"a figure of another step", bound, "untraced: 0",
			"the step needs no receiver of telemetry"},
		{"a figure of a program", bound, "exits: 0", "is a figure of a process with once"},
		{"in flight, and nothing is broken", "    faults:\n      " + fault + "\n", "",
			"nothing is broken, so nothing is in flight"},
		{"in flight, and nobody holds any", "    in-flight: 10\n", "",
			"no process says in-flight:"},

		// Keys.
		{"no key", load, "laod: {rate: 50, for: 4s}",
			kill + "laod: there is no such key here: did you mean load?"},
		{"no key deeper", load, "load: {rate: 50, fro: 4s}",
			kill + "load: fro: there is no such key here: did you mean for?"},
		{"no key at the top", "gauges:", "gauge:",
			"gauge: there is no such key here: did you mean gauges?"},
		{"a key twice", load, load + "\n    load: {rate: 20, for: 1s}",
			kill + "load: is there twice: it was in line 22 already"},
		{"a condition twice", gauge, bound, kill + "promises: duplicated: is there twice"},
		{"two times of the same name", fault, fault + "\n      at 2s: kill consumer-2",
			"at 2s: is there twice"},
		{"a merge key", load, load + "\n    <<: {about: x}", "there is no such key here"},
		{"a list where keys are wanted", "    promises:\n      " + bound + "\n      " + gauge,
			"    promises:\n      - " + bound + "\n    #",
			"promises: want keys and values"},
		{"keys where a list is wanted", "needs: [rabbitmq, redis x5]", "needs: {rabbitmq: 1}",
			"needs: want a list"},
		{"promises of nothing", "    promises:\n      " + bound + "\n      " + gauge,
			"    promises:",
			kill + "promises: says nothing"},
		{"accepted: no promises but those of all",
			"    promises:\n      " + bound + "\n      " + gauge + "\n", "",
			""},
		{"no YAML", load, "load: {rate: 50", "experiment kill"},
		{"a tab", "    about: a consumer", "\tabout: a consumer", "experiment kill"},
		{"a quote without an end", "about: a consumer is killed", `about: "a consumer`,
			"experiment auto-ack-kill: a text that begins with > wants quotes"},
		{"an alias for nothing", fault, "at 2s: *nobody", "*nobody stands for nothing"},
		{"accepted: an alias", fault, "at 1s: &shot kill consumer-1\n      at 2s: [*shot]", ""},
		{"an alias for itself", fault, "at 2s: &a [*a]", "want one value or a list"},
		{"a second document", "experiments:", "---\nexperiments:", "a second document begins here"},
		{"a tag", "count: 2", "count: !!str 2", "tags are not read here"},

		// Values.
		{"a negative scale", load, load + "\n    scale: {consumer: -3}",
			kill + "scale: consumer: -3 is not from 0 to 64"},
		{"a scale beyond all", load, load + "\n    scale: {consumer: 1000}",
			"1000 is not from 0 to 64"},
		{"scale of nobody", load, load + "\n    scale: {consumers: 2}",
			`there is no process "consumers": did you mean consumer?`},
		{"accepted: scale to none", load, load + "\n    scale: {old-consumer: 0}", ""},
		{"nobody is left to be killed", load, load + "\n    scale: {consumer: 0}",
			"no consumer is ever started"},
		{"nobody takes orders", load, load + "\n    scale: {producer: 0}",
			"nobody is left who takes orders"},
		{"a negative rate", load, "load: {rate: -5, for: 4s}",
			kill + "load: rate: -5 is not from 0.01 to 10000"},
		{"no rate", load, "load: {rate: 0, for: 4s}", kill + "load: rate: 0 says nothing here"},
		{"a rate that is no number", load, "load: {rate: .nan, for: 4s}",
			`load: rate: ".nan" is no number`},
		{"a rate of Go's", load, "load: {rate: NaN, for: 4s}", `load: rate: "NaN" is no number`},
		{"an endless rate of Go's", load, "load: {rate: Inf, for: 4s}", `"Inf" is no number`},
		{"an endless rate", load, "load: {rate: .inf, for: 4s}", "is no number"},
		{"an absurd rate", load, "load: {rate: 1e9, for: 4s}", "1e+09 is not from 0.01 to 10000"},
		{"a rate in words", load, "load: {rate: fast, for: 4s}", `"fast" is no number`},
		{"a rate without an end", load, "load: {rate: 50}", "a rate needs for"},
		{"no load", load, "load: {work: 20ms}", "needs a rate (with for) or a count"},
		{"a negative count of orders", load, "load: {count: -5}",
			kill + "load: count: -5 is not from 1 to 100000"},
		{"half a count", load, "load: {count: 2.5}", `"2.5" is no whole number`},
		{"too many orders", load, "load: {count: 10000000}", "is not from 1 to 100000"},
		{"a time that runs back", load, "load: {rate: 50, for: -4s}",
			kill + "load: for: -4s: it cannot be negative"},
		{"a time of a week", load, "load: {rate: 50, for: 168h}", "168h0m0s is too long"},
		{"a time without a unit", load, "load: {rate: 50, for: 4}",
			`"4" is not a duration such as 250ms`},
		{"negative work", load, "load: {rate: 50, for: 4s, work: -1s}",
			"work: -1s: it cannot be negative"},
		{"accepted: no work", load, "load: {rate: 50, for: 4s, work: 0s}", ""},
		{"no patience", load, "load: {rate: 50, for: 4s, patience: -1s}",
			"patience: -1s: it cannot be negative"},
		{"settles before the work is done", load,
			"load: {rate: 50, for: 4s, work: 6s}\n    settle: 5s",
			"settle: 5s is no longer than the work"},
		{"a negative settle", load, load + "\n    settle: -1s",
			"settle: -1s: it cannot be negative"},
		{"a count of none", "count: 2", "count: 0", "process consumer: count: 0 says nothing here"},
		{"a negative number of processes", "count: 2", "count: -2",
			"process consumer: count: -2 is not from 0"},
		{"a number in words", "count: 2", "count: two",
			`process consumer: count: "two" is no whole number`},
		{"neither true nor false", "http: true", "http: yes",
			`process producer: http: "yes" is neither true nor false`},
		{"nobody serves", "    http: true\n", "", "none has http: true"},
		{"orders without http", "count: 2", "count: 2\n    orders: true",
			"process consumer: orders: it takes orders by http"},
		{"addresses for nobody", "count: 2", "count: 2\n    up-to: 4",
			"up-to: addresses are for a process with http"},
		{"a process like a service", "name: old-consumer", "name: redis", `"redis" is a service`},
		{"a process like the second", "name: old-consumer", "name: consumer-2",
			"would be one of the kind consumer"},
		{"a process like the lab", "name: old-consumer", "name: lab", "is taken by the lab"},
		{"a name with a slash", "name: kill\n", "name: ../kill\n",
			"is no name: write small letters"},
		{"a name with a comma", "name: kill\n", "name: kill,calm\n", "is no name"},
		{"two variants of a name", "  - name: auto-ack\n",
			"  - name: auto-ack\n  - name: auto-ack\n",
			"variant auto-ack: name: \"auto-ack\" is taken"},
		{"two experiments of a name", "name: auto-ack-kill", "name: kill",
			`experiment kill: name: "kill" is taken`},
		{"a run with a count", "run: {rate: 3, work: 200ms}", "run: {count: 5}",
			"are for the load of an experiment"},
		{"a variable that is none", load, load + "\n    env: {a-b: x}",
			"a-b: is no name of a variable"},
		{"a variable of the lab's", load, load + "\n    env: {LOG_FORMAT: text}",
			"LOG_FORMAT: the lab sets it"},
		{"accepted: a number in a variable", load, load + "\n    env: {WORKERS: 4, FENCING: false}",
			""},
		{"a gauge with a space", "gauges: {depth: orders", "gauges: {the depth: orders",
			"is no attribute of a log line"},

		// Who is asked, and who comes.
		{"percentiles of one request", whole,
			"load: {count: 60}\n    promises:\n      answer p99: <= 1ms",
			kill + "promises: answer p99: is of customers with one order each"},
		{"the share of one request", whole,
			"load: {count: 60}\n    promises:\n      availability: 100", "give it a rate"},
		{"accepted: customers of a fault", whole,
			"load: {count: 60}\n    faults:\n      at 1s: order 5 a@b.test\n    promises:\n      answer p99: <= 1s",
			""},
		{"a right one that shows", "    promises:\n      " + bound, "    shows:\n      " + bound,
			kill + "shows: is for a wrong variant"},
		{"a wrong one that shows nothing", "    shows:\n      lost: > 0\n",
			"    promises: {duplicated: 0}\n",
			"variant: auto-ack is wrong, so it must show something"},
		{"promised and shown", "    shows:\n      lost: > 0\n",
			"    promises: {lost: 0}\n    shows: {lost: > 0}\n",
			"0 and > 0 can never hold together"},
		{"a negative limit of a shop", load, load + "\n    limit: -3s",
			"limit: -3s: it cannot be negative"},

		// Faults.
		{"no act", fault, "at 2s: kil consumer-1",
			kill + `faults: at 2s: kil consumer-1: "kil" is no act: did you mean kill?`},
		{"nobody", fault, "at 2s: kill consmer-1",
			kill + `faults: at 2s: kill consmer-1: there is no process and no service "consmer-1": did you`},
		{"no such number to kill", fault, "at 2s: kill consumer-3",
			`no service "consumer-3": did you mean consumer-`},
		{"accepted: one by chance", fault, "at 2s: kill consumer", ""},
		{"accepted: all of them", fault, "at 2s: kill every consumer", ""},
		{"accepted: one that is alone, by number", fault, "at 2s: kill producer-1", ""},
		{"all of nobody", fault, "at 2s: kill every waiter", `no service "waiter"`},
		{"every one of a server", fault, "at 2s: kill every rabbitmq", `no service "rabbitmq"`},
		{"one that is never started", fault, "at 2s: kill old-consumer",
			"no old-consumer is ever started"},
		{"accepted: one that is started by then", fault,
			"at 1s: scale old-consumer 1\n      at 2s: kill old-consumer-1",
			""},
		{"a service that is not needed", fault, "at 2s: restart postgres",
			`there is no process and no service "postgres"`},
		{"accepted: a service", fault, "at 2s: restart rabbitmq", ""},
		{"accepted: one node of five", fault, "at 2s: kill redis-5", ""},
		{"no such node", fault, "at 2s: kill redis-6", `no service "redis-6": did you mean redis-`},
		{"which of five", fault, "at 2s: kill redis", `no service "redis": did you mean redis-1?`},
		{"nobody is named", fault, "at 2s: kill", "whom?"},
		{"scale of a server", fault, "at 2s: scale redis 3", `there is no kind of process "redis"`},
		{"how many", fault, "at 2s: scale consumer many", "no whole number"},
		{"slow without how", fault, "at 2s: slow consumer-1", "how slow?"},
		{"no tool", fault, "at 2s: duplicate 5", "has no inject: duplicate"},
		{"nothing is to happen", fault, "at 2s: []", "what is to happen is missing"},
		{"when", fault, "after 2s: kill consumer-1", "must begin with at or every"},
		{"no time for it", fault, "at noon: kill consumer-1", "is no time: write at 2s"},
		{"back in time", fault, "at 3s..2s: kill consumer-1", "is no time"},
		{"before all", fault, "at -2s: kill consumer-1", "is no time"},
		{"every no time", fault, "every 0s: kill consumer-1", "is no time"},
		{"after the last customer", fault, "at 9s: kill consumer-1",
			kill + "faults: at 9s: customers come for 4s: nobody would notice it"},
		{"accepted: mended after the last customer", fault,
			fault + "\n      at 9s: start consumer-1",
			""},
		{"every so often, and never", fault, "every 5s: kill consumer-1",
			kill + "faults: every 5s: never comes: the load lasts 4s"},
		{"in an hour", fault, "at 1h: start consumer-1", "is too late"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(plainStep, c.old, c.new, 1)
			if text == plainStep && c.old != "" {
				t.Fatalf("%q is not in the manifest", c.old)
			}
			_, err := Read(write(t, text))
			if strings.HasPrefix(c.name, "accepted: ") {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || c.want == "" {
				t.Fatalf("want an error with %q, got: %v", c.want, err)
			}
			if !elsewhere[c.name] {
				checkPlace(t, text, err.Error())
			}
		})
	}
}

// elsewhere are slips that the parser notices further down.
var elsewhere = map[string]bool{
	"no YAML": true, "a quote without an end": true, "a second document": true,
}

var place = regexp.MustCompile(`lab\.yaml:(\d+): `)

// checkPlace wants one plain line, with a line of the file that has to do with it: where one of
// the error's words stands.
func checkPlace(t *testing.T, text, message string) {
	t.Helper()
	m := place.FindStringSubmatch(message)
	if m == nil || strings.Contains(message, "\n") {
		t.Fatalf("want one line with file and line, got: %q", message)
	}
	var line int
	if _, err := fmt.Sscan(m[1], &line); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		t.Fatalf("there is no line %d: %s", line, message)
	}
	_, words, _ := strings.Cut(message, m[0])
	for word := range strings.SplitSeq(words, ": ") {
		word = strings.TrimPrefix(strings.TrimPrefix(word, "experiment "), "process ")
		if strings.Contains(lines[line-1], strings.Trim(word, `"`)) {
			return
		}
	}
	t.Errorf("line %d is %q: %s", line, lines[line-1], message)
}

// What is right promises what nobody need say; what it says of a figure is what it promises.
func TestRightPromisesWithoutSayingSo(t *testing.T) {
	t.Parallel()
	read := func(promises string) Experiment {
		step, err := Read(write(t, strings.Replace(plainStep,
			"duplicated: <= in-flight\n      highest depth: <= 64", promises, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return step.Experiments[0]
	}
	for _, c := range []struct{ promises, want string }{
		{"refused: 0",
			"refused 0, (failed 0), (lost 0), (ghosts 0), (contradictions 0), (reused 0)"},
		{"ghosts: <= in-flight\n      lost: > 0 and < 9",
			"ghosts ≤ in-flight, lost > 0, lost < 9, (failed 0), (contradictions 0), (reused 0)"},
	} {
		var texts []string
		for _, condition := range read(c.promises).Promises {
			text := condition.String()
			if condition.Implied {
				text = "(" + text + ")"
			}
			texts = append(texts, text)
			if condition.Op == "" {
				t.Errorf("%s has not been parsed", condition)
			}
		}
		if got := strings.Join(texts, ", "); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	step, err := Read(write(t, plainStep))
	if err != nil {
		t.Fatal(err)
	}
	if wrong := step.Experiments[1]; len(wrong.Promises) != 0 || len(wrong.Shows) != 1 {
		t.Errorf("a wrong variant promises %v and shows %v", wrong.Promises, wrong.Shows)
	}
}

// Two experiments that do and judge the same are one, whatever they are called.
func TestTwoExperimentsAlike(t *testing.T) {
	t.Parallel()
	const other = `  - name: kill-again
    about: quite another story
    load: {for: 4000ms, work: 20ms, rate: 50}
    faults: {at 2s: [kill consumer-1]}
    promises: {duplicated: <= in-flight, highest depth: <= 64}
`
	_, err := Read(write(t, plainStep+other))
	if err == nil || !strings.Contains(err.Error(),
		"experiment kill-again: is the same as kill but for its name") {
		t.Errorf("got %v", err)
	}
	for old, changed := range map[string]string{
		"20ms": "30ms", "rate: 50": "rate: 51", "consumer-1": "consumer-2", "<= 64": "<= 65",
	} {
		if _, err := Read(write(t, plainStep+strings.Replace(other, old, changed, 1))); err != nil {
			t.Errorf("%s instead of %s: %v", changed, old, err)
		}
	}
}
