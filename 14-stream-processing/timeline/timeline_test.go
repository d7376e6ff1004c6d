package main

import (
	"math/rand/v2"
	"slices"
	"testing"

	"course.example/lab/labtest"
)

func TestExperiments(t *testing.T) { labtest.Experiments(t) }

// Whatever is done where: everybody sees the same.
func TestTheThreeDesignsAgree(t *testing.T) {
	t.Parallel()
	g := NewGraph(500, 20, 0.3, 7)
	designs := []Design{NewOnWrite(g), NewOnRead(g), NewHybrid(g, 40), NewHybrid(g, 0), NewHybrid(g, 500)}
	random := rand.New(rand.NewPCG(1, 1))
	for post := range Post(5000) {
		author := int32(random.IntN(500))
		if post%3 == 0 {
			author = int32(random.IntN(5)) // those with many followers
		}
		for _, d := range designs {
			d.Publish(author, post)
		}
		if post%50 != 0 {
			continue
		}
		reader := int32(random.IntN(500))
		want := designs[1].Home(reader)
		for i, d := range designs {
			if got := d.Home(reader); !slices.Equal(got, want) {
				t.Fatalf("design %d, after post %d, reader %d: %v, want %v", i, post, reader, got, want)
			}
		}
	}
}

func TestGraph(t *testing.T) {
	t.Parallel()
	g := NewGraph(2000, 30, 0.2, 3)
	total := 0
	for account, followers := range g.Followers {
		total += len(followers)
		sorted := slices.Clone(followers)
		slices.Sort(sorted)
		if slices.Contains(followers, int32(account)) || len(slices.Compact(sorted)) != len(followers) {
			t.Fatalf("account %d: itself, or somebody twice: %v", account, followers)
		}
	}
	if mean := float64(total) / 2000; mean < 29 || mean > 31 || len(g.Followers[0]) != 400 {
		t.Errorf("%v followers on average, %d at most", mean, len(g.Followers[0]))
	}
	if again := NewGraph(2000, 30, 0.2, 3); !slices.Equal(again.Followers[5], g.Followers[5]) {
		t.Error("the same seed makes another graph")
	}
}
