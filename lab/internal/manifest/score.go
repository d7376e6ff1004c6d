package manifest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Score says of which parts of a step the four questions are asked, by `lab
// score`. A step with this section is among those that are scored when none is
// named; every field has a default.
type Score struct {
	// Producer is the kind that is killed as the producer. Default: the kind
	// that takes orders.
	Producer string `yaml:"producer"`
	// Consumer is the kind that is killed as the consumer, and of which 1, 2, 4
	// and 8 are measured. Default: the last kind with in-flight, or else the last.
	Consumer string `yaml:"consumer"`
	// Scaled are the kinds of which 1, 2, 4 and 8 each are measured, where several
	// share the work of an order and it is not the consumer alone that there must be
	// more of.
	Scaled []string `yaml:"scaled"`
	// Open is how many orders are open at a time for each consumer that is counted.
	// Where chance decides which consumer has an order, a few are not enough to keep all
	// of them busy. Default: what a consumer may hold, and two more.
	Open int `yaml:"open"`
	// Workers is the variable that says how many consumers one process has, for
	// a step whose consumers are goroutines. They are counted then instead.
	Workers string `yaml:"workers"`
	// Unscaled says why there is no consumer to add. The measurement is left out.
	Unscaled string `yaml:"unscaled"`
	// Middle is what lies between the two, as an act names it: a service, a
	// process, "every payment". Default: the first of the step's needs, if any.
	Middle string `yaml:"middle"`
	// Single are the parts of which the step has no second, kinds or services, each with
	// the reason.
	Single map[string]string `yaml:"single"`
	// Env is for the consumers wherever orders cost work: one worker in each.
	Env map[string]string `yaml:"env"`
	// Crowd is for every process while something is killed or restarted, in a step that
	// turns customers away before so many orders wait as must.
	Crowd map[string]string `yaml:"crowd"`
	// Odd has a sentence for a figure that a reader would stumble over, by the column of
	// the table: it stands below the table whenever the figure is odd. The score says
	// which are, and a test that each of them has its sentence.
	Odd map[string]string `yaml:"odd"`
	// Backlog is for a step with a queue between the two: rate and wait are measured
	// with up to a million orders in it.
	Backlog *Backlog `yaml:"backlog"`
}

// Backlog says how an order that waits is copied. Either is given, not both.
type Backlog struct {
	// Queue is the queue in RabbitMQ where it waits.
	Queue string `yaml:"queue"`
	// SQL are the statements that copy it in Postgres, each in a transaction of its
	// own. One with $1 and $2 in it makes the copies with these numbers and those
	// between; each copy has the number as the last twelve hexadecimal digits of its
	// identity.
	SQL []string `yaml:"sql"`
}

// Scoring is the step's score section with the defaults filled in.
func (s *Step) Scoring() Score {
	var score Score
	if s.Score != nil {
		score = *s.Score
	}
	for _, p := range s.Processes {
		if p.Orders && score.Producer == "" {
			score.Producer = p.Name
		}
	}
	if score.Consumer == "" {
		score.Consumer = s.lastConsumer()
	}
	if score.Middle == "" && len(s.Needs) > 0 {
		score.Middle, _, _ = strings.Cut(s.Needs[0], " ")
	}
	return score
}

// Counted are the kinds of which 1, 2, 4 and 8 are measured.
func (s Score) Counted() []string {
	if len(s.Scaled) > 0 {
		return s.Scaled
	}
	return []string{s.Consumer}
}

// WithEnv is the step with more in the environment of some kinds.
func (s *Step) WithEnv(env map[string]string, kinds ...string) *Step {
	changed := *s
	changed.Processes = slices.Clone(s.Processes)
	for i, p := range changed.Processes {
		if slices.Contains(kinds, p.Name) {
			all := map[string]string{}
			maps.Copy(all, p.Env)
			maps.Copy(all, env)
			changed.Processes[i].Env = all
		}
	}
	return &changed
}

func (s *Step) lastConsumer() string {
	name, holds := "", false
	for _, p := range s.Processes {
		if !p.Spare && (p.InFlight > 0 || !holds) {
			name, holds = p.Name, holds || p.InFlight > 0
		}
	}
	return name
}

func (s *Step) checkScore() error {
	if s.Score == nil {
		return nil
	}
	if _, once := s.Once(); once {
		return fmt.Errorf("a program that runs once takes no orders")
	}
	score := s.Scoring()
	if score.Open < 0 {
		return wrong("open", "%d orders cannot be open", score.Open)
	}
	named := slices.Concat([]string{score.Producer, score.Consumer}, score.Scaled)
	for _, name := range named {
		if _, ok := s.Process(name); !ok {
			return fmt.Errorf("there is no process %q%s", name, didYouMean(name, s.kinds()))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(score.Single)) {
		if err := s.CheckAct("kill " + name); err != nil {
			return under(err, "single", name)
		}
		if score.Single[name] == "" {
			return under(errors.New("why is there no second?"), "single", name)
		}
	}
	if score.Middle != "" {
		if err := s.CheckAct("kill " + score.Middle); err != nil {
			return under(err, "middle")
		}
	}
	if err := s.checkBacklog(score.Backlog); err != nil {
		return under(err, "backlog")
	}
	if score.Workers != "" && score.Unscaled != "" {
		return fmt.Errorf("workers says how consumers are added, unscaled that they are not")
	}
	if err := s.checkEnv(score.Env); err != nil {
		return under(err, "env")
	}
	return under(s.checkEnv(score.Crowd), "crowd")
}

func (s *Step) checkBacklog(b *Backlog) error {
	if b == nil {
		return nil
	}
	if (b.Queue == "") == (len(b.SQL) == 0) {
		return errors.New("want either queue, a queue in RabbitMQ, or sql, statements for Postgres")
	}
	server := "rabbitmq"
	if b.Queue == "" {
		server = "postgres"
	}
	for _, need := range s.Needs {
		if kind, _, _ := strings.Cut(need, " "); kind == server {
			return nil
		}
	}
	return fmt.Errorf("the step does not need %s", server)
}
