package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"course.example/lab/internal/figure"
)

// Package is what a process runs in a variant.
func (v Variant) Package(p Process) string { return cmp.Or(v.Programs[p.Name], p.Package) }

// Packages are the packages of the step whose programs a run with any of the variants may start,
// several times where several processes run one.
func (s *Step) Packages(variants ...string) []string {
	var all []string
	for _, p := range s.Processes {
		for _, name := range variants {
			v, _ := s.Variant(name) // one that there is not runs nothing
			all = append(all, v.Package(p))
		}
	}
	for _, command := range s.Inject {
		all = append(all, command[0])
	}
	if s.Audit != nil && len(s.Audit.Command) > 0 {
		all = append(all, s.Audit.Command[0])
	}
	return all
}

// VariantsOf are the variants that experiments run, each once.
func VariantsOf(experiments []Experiment) []string {
	var names []string
	for _, e := range experiments {
		names = append(names, e.Variant)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// With are the experiments of the right variant, to be carried out with another one. Those that it
// is known to break must show how; of the others it promises what the right one does. Those that
// set what it lacks are left out.
func (s *Step) With(variant string) ([]Experiment, error) {
	v, err := s.Variant(variant)
	if err != nil {
		return nil, err
	}
	var all []Experiment
	for _, e := range s.Experiments {
		if e.Variant != Right || v.lacks(e) {
			continue
		}
		e.Promises = slices.DeleteFunc(slices.Clone(e.Promises), v.unseen)
		if b, breaks := v.Breaks[e.Name]; breaks {
			e.Promises, e.Shows = nil, b.Shows
		}
		if variant != Right {
			e.Variant, e.Name = v.Name, v.Name+"-"+e.Name
		}
		all = append(all, e)
	}
	return all, nil
}

// lacks says whether the experiment sets something that the variant does not read.
func (v Variant) lacks(e Experiment) bool {
	return slices.ContainsFunc(v.Lacks, func(name string) bool {
		_, set := e.Env[name]
		return set
	})
}

// unseen says whether a condition is about a gauge that the variant does not log.
func (v Variant) unseen(c Condition) bool {
	return c.Of().Of == figure.Log && slices.Contains(v.Lacks, c.Ask().Name)
}

// checkLacks refuses what is no gauge, and no setting that an experiment of the right variant sets;
// and to do without a book that the step does not keep.
func (s *Step) checkLacks(v Variant) error {
	if v.NoBook && s.Audit == nil {
		return wrong("no-book", "the step keeps none: see audit")
	}
	for i, name := range v.Lacks {
		if _, gauge := s.Gauges[name]; gauge {
			continue
		}
		set := slices.ContainsFunc(s.Experiments, func(e Experiment) bool {
			_, set := e.Env[name]
			return set && e.Variant == Right
		})
		if !set {
			return under(fmt.Errorf("%q is no gauge, and no experiment of the right variant sets it", name),
				"lacks", strconv.Itoa(i))
		}
	}
	return nil
}

// Broken are the experiments that variants are known to break, as [Step.With] has them.
func (s *Step) Broken() []Experiment {
	var all []Experiment
	for _, v := range s.Variants {
		experiments, _ := s.With(v.Name)
		for _, e := range experiments {
			if len(v.Breaks) > 0 && len(e.Shows) > 0 {
				all = append(all, e)
			}
		}
	}
	return all
}

// checkPrograms refuses programs of processes that there are not, or that are not the step's own.
func (s *Step) checkPrograms(v Variant) error {
	for _, name := range sortedKeys(v.Programs) {
		if _, ok := s.Process(name); !ok {
			return under(fmt.Errorf("there is no process %q%s", name,
				didYouMean(name, s.kinds())), "programs", name)
		}
		if err := checkPackage(v.Programs[name]); err != nil {
			return under(err, "programs", name)
		}
	}
	return nil
}

// checkPackage refuses a package that does not lie in the step's folder.
func checkPackage(pkg string) error {
	if within, ok := strings.CutPrefix(pkg, "./"); !ok || !filepath.IsLocal(within) {
		return fmt.Errorf("%q is no package of the step: write ./ and its folder", pkg)
	}
	return nil
}

// checkBreaks checks what variants lack and break once the experiments are known to be right.
func (s *Step) checkBreaks() error {
	for i, v := range s.Variants {
		if err := s.checkLacks(v); err != nil {
			return under(err, "variants", strconv.Itoa(i))
		}
		for _, name := range sortedKeys(v.Breaks) {
			if err := s.checkBreak(v, name); err != nil {
				return under(err, "variants", strconv.Itoa(i), "breaks", name)
			}
		}
	}
	return nil
}

func (s *Step) checkBreak(v Variant, name string) error {
	e, err := s.Experiment(name)
	b := v.Breaks[name]
	switch {
	case err != nil:
		return err
	case e.Variant != Right:
		return fmt.Errorf("is an experiment of the variant %s: the right one survives others", e.Variant)
	case v.Name == Right:
		return errors.New("the right variant breaks nothing")
	case v.lacks(e):
		return errors.New("sets what the variant lacks, and is left out")
	case b.Idea == "":
		return wrong("idea", "is missing: what does the right variant do otherwise?")
	case len(b.Shows) == 0:
		return wrong("shows", "is missing: how is it seen to fail?")
	}
	e.Variant, e.Promises, e.Shows = v.Name, nil, b.Shows
	for i := range b.Shows {
		if err := s.checkCondition(e, &b.Shows[i]); err != nil {
			return under(err, "shows", b.Shows[i].Figure)
		}
	}
	return e.checkTogether()
}
