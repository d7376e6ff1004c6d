package main

import "slices"

// Post is an account's post. Later ones have higher numbers.
type Post int64

// Page is how many posts a reader sees, Kept how many a timeline or an author's list holds.
const (
	Page = 20
	Kept = 100
)

// Design is a way to bring posts to readers. It is for one goroutine.
type Design interface {
	// Publish stores a post and returns how many places it was written to.
	Publish(author int32, post Post) (writes int)
	// Home returns the latest posts of those whom the reader follows, the newest first.
	Home(reader int32) []Post
}

// recent holds the last posts that were added, in a ring.
type recent struct {
	posts []Post
	next  int
}

func (r *recent) add(p Post) {
	if len(r.posts) < Kept {
		r.posts = append(r.posts, p)
		return
	}
	r.posts[r.next] = p
	r.next = (r.next + 1) % Kept
}

// newest appends the latest posts to all.
func (r *recent) newest(all []Post, n int) []Post {
	for i := range min(n, len(r.posts)) {
		all = append(all, r.posts[(r.next+len(r.posts)-1-i)%len(r.posts)])
	}
	return all
}

// page is the newest of all.
func page(all []Post) []Post {
	slices.SortFunc(all, func(a, b Post) int { return int(b - a) })
	return all[:min(Page, len(all))]
}

// OnWrite does the work when a post is written: every follower has a timeline, and gets it there. A read
// is a copy. A post costs as much as its author has followers.
type OnWrite struct {
	graph *Graph
	homes []recent
}

// NewOnWrite returns one without posts.
func NewOnWrite(g *Graph) *OnWrite { return &OnWrite{g, make([]recent, len(g.Followers))} }

func (d *OnWrite) Publish(author int32, post Post) int {
	for _, follower := range d.graph.Followers[author] {
		d.homes[follower].add(post)
	}
	return len(d.graph.Followers[author])
}

func (d *OnWrite) Home(reader int32) []Post { return page(d.homes[reader].newest(nil, Page)) }

// OnRead does the work when somebody reads: the latest posts of all whom he follows are merged. A post is
// one write.
type OnRead struct {
	graph   *Graph
	authors []recent
}

// NewOnRead returns one without posts.
func NewOnRead(g *Graph) *OnRead { return &OnRead{g, make([]recent, len(g.Followers))} }

func (d *OnRead) Publish(author int32, post Post) int {
	d.authors[author].add(post)
	return 1
}

func (d *OnRead) Home(reader int32) []Post {
	var all []Post
	for _, author := range d.graph.Followees[reader] {
		all = d.authors[author].newest(all, Page)
	}
	return page(all)
}

// Hybrid writes to the followers of most accounts, and has the posts of those with many followers merged
// in by their readers.
type Hybrid struct {
	write    *OnWrite
	authors  map[int32]*recent // with many followers
	followed [][]int32         // by reader, of these
}

// NewHybrid returns one without posts. An account with more than many followers is merged in.
func NewHybrid(g *Graph, many int) *Hybrid {
	d := &Hybrid{
		write: NewOnWrite(g), authors: map[int32]*recent{}, followed: make([][]int32, len(g.Followers)),
	}
	for author, followers := range g.Followers {
		if len(followers) <= many {
			continue
		}
		d.authors[int32(author)] = new(recent)
		for _, follower := range followers {
			d.followed[follower] = append(d.followed[follower], int32(author))
		}
	}
	return d
}

func (d *Hybrid) Publish(author int32, post Post) int {
	if posts, many := d.authors[author]; many {
		posts.add(post)
		return 1
	}
	return d.write.Publish(author, post)
}

func (d *Hybrid) Home(reader int32) []Post {
	all := d.write.homes[reader].newest(nil, Page)
	for _, author := range d.followed[reader] {
		all = d.authors[author].newest(all, Page)
	}
	return page(all)
}
