package manifest

import (
	"fmt"
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
	// Workers is the variable that says how many consumers one process has, for
	// a step whose consumers are goroutines. They are counted then instead.
	Workers string `yaml:"workers"`
	// Unscaled says why there is no consumer to add. The measurement is left out.
	Unscaled string `yaml:"unscaled"`
	// Middle is what lies between the two, as an act names it: a service, a
	// process, "every payment". Default: the first of the step's needs, if any.
	Middle string `yaml:"middle"`
	// Single are the kinds of which the step cannot have two.
	Single []string `yaml:"single"`
	// Env is for the processes while consumers are counted: one worker in each.
	Env map[string]string `yaml:"env"`
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
		return fmt.Errorf("score: a program that runs once takes no orders")
	}
	score := s.Scoring()
	for _, name := range slices.Concat([]string{score.Producer, score.Consumer}, score.Single) {
		if _, ok := s.Process(name); !ok {
			return fmt.Errorf("score: there is no process %q", name)
		}
	}
	if score.Middle != "" {
		if err := s.CheckAct("kill " + score.Middle); err != nil {
			return fmt.Errorf("score: middle: %w", err)
		}
	}
	if score.Workers != "" && score.Unscaled != "" {
		return fmt.Errorf("score: workers says how consumers are added, unscaled that they are not")
	}
	if err := s.checkEnv(score.Env); err != nil {
		return fmt.Errorf("score: %w", err)
	}
	return nil
}
