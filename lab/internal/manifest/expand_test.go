package manifest

import (
	"strings"
	"testing"
)

const twoKinds = `
title: Two kinds, of which one finds the other
processes:
  - name: front
    http: true
    env: {BACK_URLS: '{{urls "back"}}', BACK: '{{url "back"}}/x', BOOKS: '{{dir "books"}}'}
  - name: back
    http: true
    count: 2
    up-to: 4
  - name: mute
`

func TestExpand(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, twoKinds))
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := step.Process("back"); p.Places() != 4 {
		t.Errorf("up-to 4 gives %d places", p.Places())
	}
	places := Places{
		URLs: func(kind string) ([]string, error) {
			return []string{"http://" + kind + "-1", "http://" + kind + "-2"}, nil
		},
		Dir: func(name string) (string, error) { return "/run/" + name, nil },
	}
	want := map[string]string{
		"BACK_URLS": "http://back-1,http://back-2", "BACK": "http://back-1/x",
		"BOOKS": "/run/books",
	}
	for name, text := range step.Processes[0].Env {
		if got, err := Expand(text, places); err != nil || got != want[name] {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want[name])
		}
	}
}

func TestSlipsInEnv(t *testing.T) {
	t.Parallel()
	for slip, want := range map[string]string{
		`{{urls "bakc"}}`: `no process "bakc" that serves http`,
		`{{url "mute"}}`:  `no process "mute" that serves http`,
		`{{urls "back"`:   "unclosed action",
		`{{host "back"}}`: `function "host" not defined`,
	} {
		_, err := Read(write(t, strings.Replace(twoKinds, `{{urls "back"}}`, slip, 1)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want an error with %q, got: %v", slip, want, err)
		}
	}
}

func TestTimesInConditions(t *testing.T) {
	t.Parallel()
	c, err := ParseCondition("answer p99", "<= 250ms")
	if err != nil || !c.Holds(0.25, nil) || c.Holds(0.26, nil) {
		t.Errorf("%+v, %v", c, err)
	}
	for figure, text := range map[string]string{
		"answer p99": "<= 3", "lost": "<= 3s", "answer p0": "<= 3s", "answer p101": "<= 3s",
	} {
		if c, err := ParseCondition(figure, text); err == nil {
			t.Errorf("%s: %s was read as %+v", figure, text, c)
		}
	}
}
