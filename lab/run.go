package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/act"
	"course.example/lab/internal/bench"
	"course.example/lab/internal/control"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/page"
	"course.example/lab/internal/port"
	"course.example/lab/internal/screen"
	"course.example/lab/internal/stage"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "start a step and what it needs, and watch it work",
		ArgsUsage: "STEP",
		Description: "The program of a step that runs once gets what stands behind \"--\":\n" +
			"  go run ./lab run 01 -- -h",
		Flags: []cli.Flag{
			&cli.FloatFlag{Name: "rate", Usage: "place `N` orders a second", Value: -1,
				DefaultText: "as in lab.yaml"},
			&cli.DurationFlag{Name: "for", Usage: "end by itself after this `TIME`"},
			&cli.DurationFlag{Name: "work", Usage: "let every order take this `TIME`"},
			&cli.StringFlag{Name: "variant", Usage: "run the variant `NAME` of lab.yaml"},
			&cli.BoolFlag{Name: "dev",
				Usage: "build again on every save, and start what has changed"},
			&cli.BoolFlag{Name: "plain",
				Usage: "print lines, and leave the terminal as it is: no status, no keys"},
			&cli.BoolFlag{Name: "page", Value: true,
				Usage: "serve the page for the projector; -page=false does not"},
			&cli.BoolFlag{Name: "proxy",
				Usage: "put a proxy before every service, for cut, heal and slow"},
			&cli.StringFlag{Name: "on", Usage: "run it on the `ENGINE`: kubernetes, compose, podman"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			step, args, err := stepAndArgs(cmd)
			if err != nil {
				return err
			}
			if err := checkLoad(cmd); err != nil {
				return err
			}
			if cmd.IsSet("on") {
				return runOn(ctx, step, cmd.String("on"), args)
			}
			if _, once := step.Once(); once {
				if cmd.Bool("dev") {
					return fmt.Errorf("-dev is for a step that goes on: %s ends by itself, "+
						"so run it again", step.Name)
				}
				return watchOnce(ctx, cmd, step, args)
			}
			if len(args) > 0 {
				return fmt.Errorf("one step at a time, and %s takes no arguments such as %q",
					step.Name, args)
			}
			if cmd.IsSet("rate") {
				step.Run.Rate = cmd.Float("rate")
			}
			if cmd.IsSet("work") {
				work := manifest.Duration(cmd.Duration("work"))
				step.Run.Work = &work
			}
			return watch(ctx, step, watching{
				variant: cmd.String("variant"), lasts: cmd.Duration("for"),
				proxy: cmd.Bool("proxy"), dev: cmd.Bool("dev"), page: cmd.Bool("page"), plain: cmd.Bool("plain"),
			})
		},
	}
}

// checkLoad refuses what would silently be something else.
func checkLoad(cmd *cli.Command) error {
	if rate := cmd.Float("rate"); cmd.IsSet("rate") && (rate < 0 || rate > bench.MaxRate) {
		return fmt.Errorf("-rate %v: a rate is 0 to %d orders a second", rate, bench.MaxRate)
	}
	if d := cmd.Duration("for"); cmd.IsSet("for") && d <= 0 {
		return fmt.Errorf("-for %v: a run takes more than no time", d)
	}
	if d := cmd.Duration("work"); d < 0 {
		return fmt.Errorf("-work %v: work takes no less than no time", d)
	}
	return nil
}

// show is a step that a person watches.
type show struct {
	id     string
	step   *manifest.Step
	screen *screen.Screen
	bench  *bench.Bench
	owned  []string // services that may be restarted
	code   *builder
	hall   *page.Server // nil without a page
	// changes are those of the code while it is being written; nil otherwise.
	changes <-chan []string
	quit    func()
	acts    sync.WaitGroup
	rate    rate
	// draining says that no more orders come.
	draining atomic.Bool
}

// watching is how a run is to be watched.
type watching struct {
	variant                 string
	lasts                   time.Duration // 0 is until it is told to end
	proxy, dev, page, plain bool
}

// watch runs a step until it is told to end, drains it and prints the ledger.
func watch(ctx context.Context, step *manifest.Step, how watching) (err error) {
	variant, proxy := how.variant, how.proxy
	st, err := stage.Open(ctx, "run "+step.Number)
	if err != nil {
		return err
	}
	// Not the context of the signal: what comes after it must still work.
	closing := context.WithoutCancel(ctx)
	defer func() { err = errors.Join(err, st.Close(closing)) }()
	scr := st.Screen
	st.Watched = true
	if how.plain {
		scr.Plain()
	}

	if step.Needs, err = step.ServersOf(manifest.Experiment{Variant: variant}); err != nil {
		return err
	}
	var changes <-chan []string
	if how.dev {
		watched, stop := context.WithCancel(closing)
		defer stop()
		if changes, err = sources(watched, step); err != nil {
			return err
		}
	}
	if err := st.Prepare(ctx, step, []string{variant}, false, proxy); err != nil {
		return err
	}
	cfg, cleanup, err := st.Config(ctx, step, "run-"+step.Number, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanup(closing)) }()
	cfg.Variant, cfg.Work, cfg.Proxy = variant, step.Run.WorkTime(), proxy
	cfg.Show = scr.Show
	// Before the processes are started: one of them may want to know where.
	acts, err := control.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, acts.Close()) }()
	cfg.Control = acts.Env()
	pg := page.New()
	if how.page {
		cfg.Watch = pg.Event
	}
	b, err := bench.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(closing)) }()

	s := &show{step: step, screen: scr, bench: b, id: st.Run.ID(), changes: changes}
	s.code = &builder{st: st, bench: b, variant: variant, step: step}
	for _, service := range cfg.Services {
		if service.Owned() {
			s.owned = append(s.owned, service.Name())
		}
	}
	where := st.Describe()
	if how.page {
		hall, close, err := s.showPage(closing, pg, variant, proxy)
		if err != nil {
			return err
		}
		defer close()
		where = append(where, "  page        "+hall.URL())
		s.hall = hall
	}
	s.printHeader(variant, where)
	left, err := s.play(ctx, st.Run, acts, how.lasts)
	err = errors.Join(err, b.Close(closing), b.Err())
	final := b.Status()
	printLedger(scr, final, b.Open(3), left)
	if s.hall != nil {
		s.hall.Finish(closing)
	}
	return ending(err, final, left)
}

// play lets customers come until the time is over, somebody quits, or a process
// cannot be kept up. Then it waits until what was accepted has been worked off.
// It returns whether somebody did not want to wait for that.
func (s *show) play(
	ctx context.Context, run *home.Run, acts *control.Control, lasts time.Duration,
) (left bool, err error) {
	// Three contexts, one in the other: the screen outlives the drain, and the
	// drain the load.
	live, endLive := context.WithCancel(context.WithoutCancel(ctx))
	defer endLive()
	drain, leave := context.WithCancel(live)
	defer leave()
	load, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	if lasts > 0 {
		load, stopLoad = context.WithTimeout(load, lasts)
		defer stopLoad()
	}
	// The first quit ends the load, the second one the waiting.
	s.quit = func() {
		if load.Err() != nil {
			leave()
		}
		stopLoad()
	}
	stopped, err := acts.Serve(live, run, s.step.Name, s.do)
	if err != nil {
		return false, err
	}
	var group sync.WaitGroup
	var screenErr error
	if s.screen.Interactive() {
		group.Go(func() {
			screenErr = s.screen.Full(live, screen.Full{
				Status: s.status, Press: s.press, Help: s.help,
			})
			s.quit()
		})
	}
	group.Go(func() { s.lookAfter(live) })
	if s.changes != nil {
		group.Go(func() { s.code.follow(load, s.changes) })
	}
	s.bench.Trickle(load, s.step.Run.Rate)
	<-load.Done()
	err = s.drain(drain)
	left = drain.Err() != nil
	if left {
		err = nil
	}
	endLive()
	group.Wait()
	s.acts.Wait()
	return left, errors.Join(err, screenErr, stopped())
}

// drain mends what was broken and waits. Only what is still open when nothing
// happens any more, with everything in working order, was lost.
func (s *show) drain(ctx context.Context) error {
	if s.bench.Err() != nil {
		return nil // it is over, and watch says why
	}
	s.draining.Store(true)
	if err := s.bench.Mend(ctx); err != nil {
		return err
	}
	if n := s.bench.Status().Open; n > 0 {
		how := ""
		if s.screen.Interactive() {
			how = " (q leaves them)"
		}
		s.screen.Say("no more orders; waiting for %d in flight%s", n, how)
	}
	settle := bench.Settle{
		Quiet: s.step.SettleWith(s.step.Run).Std(), Limit: s.step.Standstill(),
	}
	if err := s.bench.Drain(ctx, settle); err != nil {
		return err
	}
	return s.bench.Audit(ctx)
}

// lookAfter samples the rate, and ends the run when a process is beyond help.
func (s *show) lookAfter(ctx context.Context) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.rate.sample(time.Now(), s.bench.Status().Processed)
			if s.bench.Err() == nil {
				continue
			}
			if s.changes != nil && !s.draining.Load() { // the next save may mend it
				s.code.say(s.bench.Err().Error())
				continue
			}
			s.quit()
			s.quit()
			return
		}
	}
}

// do carries out an act that came from another terminal, which is told how it
// went.
func (s *show) do(ctx context.Context, text string) (string, error) {
	if strings.TrimSpace(text) == "quit" {
		s.quit()
		return "quit", nil
	}
	ctx = context.WithoutCancel(ctx)
	if err := s.code.before(ctx, text); err != nil {
		return "", err
	}
	return s.bench.Act(ctx, text)
}

// worker is the kind of process that the keys act on: the last of the manifest
// that does not take the orders itself, which is where the work is done.
func (s *show) worker() string {
	all := s.step.Processes
	for _, p := range slices.Backward(all) {
		if !p.Orders {
			return p.Name
		}
	}
	return all[len(all)-1].Name
}

func (s *show) press(key string) {
	switch key {
	case "q", "ctrl+c", "ctrl+d":
		s.quit()
		return
	}
	for _, k := range s.keys() {
		if slices.Contains(k.Keys, key) {
			s.acts.Go(func() {
				if err := s.bench.Do(context.Background(), k.Act); err != nil {
					s.screen.Say("%v", err)
				}
			})
		}
	}
}

// keys are those that carry an act out.
func (s *show) keys() []act.Key {
	server := ""
	if len(s.owned) > 0 {
		server = s.owned[0]
	}
	return act.Keys(s.worker(), server)
}

// keysLine names the keys that carry an act out.
func (s *show) keysLine() string {
	var keys []string
	for _, k := range s.keys() {
		keys = append(keys, strings.TrimRight(k.Keys[0]+" "+k.Short, " "))
	}
	return strings.Join(keys, "  ")
}

func (s *show) help() string {
	var b strings.Builder
	for _, k := range s.keys() {
		fmt.Fprintf(&b, "  %s   %s\n", k.Keys[0], k.Help)
	}
	return b.String() + "  q   drain and quit\n" +
		"From another terminal: go run ./lab do ACT, where ACT is\n" + act.Help()
}

// status is what stays at the bottom of the screen.
func (s *show) status(width int) string {
	st := s.bench.Status()
	var procs []string
	for _, p := range s.step.Processes {
		if p.Spare && st.Up[p.Name] == 0 {
			continue
		}
		procs = append(procs, fmt.Sprintf("%s ×%d", p.Name, st.Up[p.Name]))
	}
	counts := fmt.Sprintf(
		"accepted %d · in flight %d · processed %d · failed %d · duplicated %d · %.0f/s",
		st.Accepted, st.Open, st.Processed, st.Failed, st.Duplicated, s.rate.perSecond())
	if st.Refused > 0 {
		counts += fmt.Sprintf(" · refused %d", st.Refused)
	}
	keys, end := s.keysLine(), "? help  q quit"
	if s.draining.Load() {
		keys, end = "waiting for what is in flight", "q leaves it"
	}
	slip := ""
	if wrong := s.code.wrong(); wrong != "" {
		for line := range strings.SplitSeq(wrong, "\n") {
			slip += s.screen.Red(fit(line, width)) + "\n"
		}
	}
	return slip + s.screen.Bold(fit(counts, width)) + "\n" +
		s.screen.Faint(footer(strings.Join(procs, " · ")+"    "+keys, end, width))
}

// footer is a line of which a narrow window loses the end last.
func footer(text, end string, width int) string {
	const gap = "  "
	room := width - len(gap+end)
	if room < 1 {
		return fit(end, width)
	}
	return fit(text, room) + gap + end
}

func fit(text string, width int) string {
	if runes := []rune(text); len(runes) > width && width > 0 {
		return string(runes[:width-1]) + "…"
	}
	return text
}

// printHeader shows what runs where and what to type next.
func (s *show) printHeader(variant string, services []string) {
	if variant == "" {
		variant = manifest.Right
	}
	v, _ := s.step.Variant(variant) // was looked up before the start
	title := s.screen.Bold(s.step.Name) + "  " + s.step.Title
	if variant != manifest.Right {
		title += "\n" + s.screen.Red("variant "+variant) + "  " + v.About
	}
	lines := append([]string{"", title, ""}, services...)
	for _, p := range s.step.Processes {
		if p.Spare && s.bench.Running(p.Name) == 0 {
			continue // nobody has asked for it
		}
		where := ""
		if p.Orders {
			where = s.bench.ShopURL()
		}
		lines = append(lines, strings.TrimRight(
			fmt.Sprintf("  %-11s ×%d  %s", p.Name, s.bench.Running(p.Name), where), " "))
	}
	if url := s.bench.ShopURL(); url != "" && !strings.HasSuffix(url, fmt.Sprintf(":%d", port.Shop)) {
		lines = append(lines, "", fmt.Sprintf("  Port %d is taken by %s: where a page says localhost:%d, "+
			"write %s.", port.Shop, cmp.Or(port.Holder(port.Shop), "somebody else"), port.Shop,
			strings.TrimPrefix(url, "http://")))
	}
	do := invocation() + " do"
	if _, err := findRun(""); err == nil { // another run: say which is meant
		do += " -run " + s.id
	}
	lines = append(lines, "", "Type in another terminal:",
		"  curl -X POST "+s.bench.ShopURL()+"/orders", "  "+do+" burst 100")
	hints, err := s.bench.Hints()
	if err != nil {
		hints = []string{err.Error()}
	}
	for _, hint := range hints {
		lines = append(lines, "  "+hint)
	}
	lines = append(lines, "")
	s.screen.Print(strings.Join(lines, "\n"))
}

// invocation is how a reader starts the lab from another terminal: by the program that make has
// built already, where there is one, because go run would compile it first.
func invocation() string {
	const built = ".lab/bin/lab"
	self, err := os.Executable()
	root, rootErr := home.Root()
	if err != nil || rootErr != nil {
		return "go run ./lab"
	}
	self = strings.TrimSuffix(self, ".exe")
	if self != filepath.Join(root, filepath.FromSlash(built)) {
		return "go run ./lab"
	}
	return filepath.FromSlash(built)
}

// rate is how many orders were processed in a second, over the last few.
type rate struct {
	mu      sync.Mutex
	samples []rateSample
}

type rateSample struct {
	at    time.Time
	total int
}

const rateWindow = 3 * time.Second

func (r *rate) sample(at time.Time, total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, rateSample{at, total})
	for len(r.samples) > 2 && at.Sub(r.samples[0].at) > rateWindow {
		r.samples = r.samples[1:]
	}
}

func (r *rate) perSecond() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.samples) < 2 {
		return 0
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	return float64(last.total-first.total) / last.at.Sub(first.at).Seconds()
}
