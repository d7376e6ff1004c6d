// Command timeline is the home timeline of a social network, three ways: the work is done when a post is
// written, when somebody reads, or for most accounts the one and for those with many followers the other.
// It says what each costs on this machine, and how many machines Twitter's figures of 2012 would take.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"course.example/shop"
)

// Twitter's figures of November 2012 (Krikorian, "Timelines at Scale"; Kleppmann, "Designing
// Data-Intensive Applications", page 11).
const (
	postsASecond = 4_600
	atPeak       = 12_000
	readsASecond = 300_000
	meanAudience = 75 // 345,000 writes a second for 4,600 posts
)

func main() { shop.Main(run) }

type settings struct {
	accounts, many, posts, reads int
	mean, share                  float64
	seed                         uint64
}

func run(ctx context.Context) error {
	var s settings
	flags := flag.NewFlagSet("timeline", flag.ContinueOnError)
	flags.IntVar(&s.accounts, "accounts", 150_000, "of the network: 150 million at 1:1000")
	flags.Float64Var(&s.mean, "mean", meanAudience, "followers of an account")
	flags.Float64Var(&s.share, "share", 0.2, "of all accounts that follow the largest one")
	flags.IntVar(&s.many, "many", 1000, "followers, with more of which the hybrid merges an account in")
	flags.IntVar(&s.posts, "posts", 30_000, "to publish")
	flags.IntVar(&s.reads, "reads", 30_000, "of home timelines")
	flags.Uint64Var(&s.seed, "seed", 1, "of the graph and of who does what")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if s.accounts < 10 || s.accounts > 10_000_000 || s.mean < 1 || s.mean > float64(s.accounts)/2 ||
		s.share <= 0 || s.share > 1 || s.posts < 1 || s.reads < 1 {
		return &shop.UsageError{Problem: "accounts must be 10 to 10,000,000, mean 1 to half of them, " +
			"share more than 0 and at most 1, posts and reads 1 or more"}
	}
	g := NewGraph(s.accounts, s.mean, s.share, s.seed)
	edges := 0
	for _, f := range g.Followers {
		edges += len(f)
	}
	fmt.Printf("%d accounts, %.1f followers on average, %d at most; seed %d\n\n",
		s.accounts, float64(edges)/float64(s.accounts), len(g.Followers[0]), s.seed)
	designs := []struct {
		name string
		make func() Design
	}{
		{"on write", func() Design { return NewOnWrite(g) }},
		{"on read", func() Design { return NewOnRead(g) }},
		{"hybrid", func() Design { return NewHybrid(g, s.many) }},
	}
	var all []cost
	for _, d := range designs {
		if err := ctx.Err(); err != nil {
			return err
		}
		all = append(all, measure(d.name, d.make, s))
	}
	return show(all)
}

// cost is what a design costs on one core of this machine, without any network.
type cost struct {
	name          string
	post, read    time.Duration // on average
	longest       time.Duration // post
	p50, p99      time.Duration // of a read
	amplification float64       // places that a post is written to
	memory        float64       // bytes by account
}

func measure(name string, build func() Design, s settings) cost {
	before := heap()
	d := build()
	random := rand.New(rand.NewPCG(s.seed, 1))
	c := cost{name: name}
	writes := 0
	began := time.Now()
	for n := range s.posts {
		author := int32(random.IntN(s.accounts))
		if n%1000 == 0 {
			author = 0 // the one with most followers posts, too
		}
		at := time.Now()
		writes += d.Publish(author, Post(n))
		c.longest = max(c.longest, time.Since(at))
	}
	c.post = time.Since(began) / time.Duration(s.posts)
	c.amplification = float64(writes) / float64(s.posts)
	c.memory = float64(heap()-before) / float64(s.accounts)
	took := make([]time.Duration, s.reads)
	began = time.Now()
	for n := range took {
		at := time.Now()
		d.Home(int32(random.IntN(s.accounts)))
		took[n] = time.Since(at)
	}
	c.read = time.Since(began) / time.Duration(s.reads)
	slices.Sort(took)
	c.p50, c.p99 = took[len(took)/2], took[len(took)*99/100]
	return c
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// cores is how many of them a load takes.
func (c cost) cores(posts, reads float64) float64 {
	return posts*c.post.Seconds() + reads*c.read.Seconds()
}

func show(all []cost) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "design\tposts/s\tlongest post\treads/s\tread p50\tread p99\twrites per post\tbytes per account\tbreaks at, posts/s\t")
	for _, c := range all {
		ratio := float64(readsASecond) / postsASecond
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%.0f\t%s\t%s\t%.1f\t%.0f\t%.0f\t\n", c.name,
			1/c.post.Seconds(), round(c.longest), 1/c.read.Seconds(), round(c.p50), round(c.p99),
			c.amplification, c.memory, 1/c.cores(1, ratio))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nbreaks at: one core does nothing else, with %.0f reads for each post\n\n",
		float64(readsASecond)/postsASecond)
	for _, c := range all {
		fmt.Printf("%s: %.0f cores for %d posts/s and %d reads/s, %.0f at the peak of %d posts/s\n",
			c.name, math.Ceil(c.cores(postsASecond, readsASecond)), postsASecond, readsASecond,
			math.Ceil(c.cores(atPeak, readsASecond)), atPeak)
	}
	return nil
}

func round(d time.Duration) time.Duration {
	if d > time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}
