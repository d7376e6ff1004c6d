package deployment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// strategy brings a version in while another one runs. When it returns an error, the deployer goes
// back.
type strategy func(d *Deployer, ctx context.Context, from, to Desired) error

var strategies = map[string]strategy{
	"stop-and-start": stopAndStart,
	"rolling":        rolling,
	"blue-green":     blueGreen,
	"canary":         canary,
}

// stopAndStart needs no more room than the old version had. Meanwhile nobody is there.
func stopAndStart(d *Deployer, ctx context.Context, _, to Desired) error {
	d.retireAll(d.others(to.Version))
	return d.converge(ctx, to)
}

// rolling replaces one replica at a time, which needs room for one more. Both versions serve
// until the last one is replaced.
func rolling(d *Deployer, ctx context.Context, from, to Desired) error {
	for _, program := range programs {
		for range to.Replicas[program] {
			if err := d.launch(ctx, program, to); err != nil {
				return err
			}
			if program == "producer" {
				if err := d.judge(ctx, from, to); err != nil {
					return err
				}
			}
			if old := d.of(program, from.Version); len(old) > 0 {
				d.retire(old[0])
			}
		}
	}
	return d.converge(ctx, to)
}

// blueGreen starts the whole new version beside the old one, which needs room for both. All orders
// change over in one instant, and go back as fast.
func blueGreen(d *Deployer, ctx context.Context, from, to Desired) error {
	d.door.Split(to.Version, 0)
	return d.changeOver(ctx, from, to)
}

// canary lets few orders meet the new version first: what is wrong with it is wrong for few.
func canary(d *Deployer, ctx context.Context, from, to Desired) error {
	d.door.Split(to.Version, 5)
	if err := d.launch(ctx, "producer", to); err != nil {
		return err
	}
	for _, percent := range []float64{5, 25} {
		d.door.Split(to.Version, percent)
		if err := d.judge(ctx, from, to); err != nil {
			return err
		}
	}
	return d.changeOver(ctx, from, to)
}

func (d *Deployer) changeOver(ctx context.Context, from, to Desired) error {
	if err := d.fill(ctx, to); err != nil {
		return err
	}
	d.door.Split(to.Version, 100)
	if err := d.judge(ctx, from, to); err != nil {
		return err
	}
	return d.converge(ctx, to)
}

// watchMost is how many times the settings' Watch a version is watched where few orders come.
const watchMost = 20

// judge watches the new version until enough orders have met it.
func (d *Deployer) judge(ctx context.Context, from, to Desired) error {
	old := d.door.Seen(from.Version) // for when all orders meet the new one
	d.door.Forget()
	for range watchMost {
		if !pause(ctx, d.settings.Watch) {
			return context.Cause(ctx)
		}
		if d.door.Seen(to.Version).Answers >= d.settings.Enough {
			break
		}
	}
	if now := d.door.Seen(from.Version); now.Answers > 0 {
		old = now
	}
	return verdict(d.door.Seen(to.Version), old, d.settings.MaxBad)
}

var errNobodyCame = errors.New("no order has met the new version: no evidence is no yes")

// verdict compares the new version with the old one of the same time: what slows both, such as a slow
// database, is not the new one's fault.
func verdict(fresh, old Sample, maxBad float64) error {
	if fresh.Answers == 0 {
		return errNobodyCame
	}
	if fresh.share() > old.share()+maxBad {
		return fmt.Errorf("%d of %d answers of the new version were errors or too slow, "+
			"and %d of %d of the old one", fresh.Bad, fresh.Answers, old.Bad, old.Answers)
	}
	return nil
}

func (s Sample) share() float64 {
	if s.Answers == 0 {
		return 0
	}
	return float64(s.Bad) / float64(s.Answers)
}

// Deploy asks for another version, in desired.yaml, as a person does with an editor. It returns when
// that is written; what comes of it is logged.
func (d *Deployer) Deploy(version string) error {
	if _, err := FindRelease(version); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.desired.Version == version {
		return nil // the control loop sees to it that it runs
	}
	if d.rolling() {
		return ErrBusy
	}
	if err := d.file.setVersion(version); err != nil {
		return err
	}
	d.desired.Version = version
	d.wake()
	return nil
}

// roll brings a version in, or goes back, and returns what runs in the end. When ctx ends it stops
// where it is. What was begun stands in desired.yaml, and is done after the next start.
func (d *Deployer) roll(ctx context.Context, from, to Desired) (done Desired, err error) {
	release, err := FindRelease(to.Version)
	if err != nil {
		return to, err
	}
	d.mu.Lock()
	d.figures.peak, d.figures.memory = len(d.replicas), 0
	d.mu.Unlock()
	slog.Info("rollout begins", "from", from.Version, "to", to.Version,
		"strategy", d.settings.Strategy)
	began := time.Now()
	d.door.Measure()
	reason := d.tables(ctx, release)
	if reason == nil {
		reason = strategies[d.settings.Strategy](d, ctx, from, to)
	}
	out := time.Since(began)
	if reason != nil && ctx.Err() != nil {
		return to, reason
	}
	done, back := to, 0
	if reason != nil {
		done, back = from, 1
		slog.Warn("going back", "to", from.Version, "reason", reason)
		err = d.goBack(ctx, from)
	}
	now := d.now()
	slog.Info("rollout ended", append(d.price(out, time.Since(began)-out, back),
		"version", done.Version, "back", back, "peak", now.peak, "restarts", now.restarts,
		"of_new", len(d.of("producer", to.Version)),
		"of_old", len(d.of("producer", from.Version)), "error", err)...)
	return done, err
}

// price is what a rollout has cost, as far as that is known.
func (d *Deployer) price(out, home time.Duration, back int) (attrs []any) {
	if p99, known := d.door.Measured(); known {
		attrs = append(attrs, "p99_ms", p99.Milliseconds())
	}
	if memory := d.now().memory; memory > 0 {
		attrs = append(attrs, "memory_mib", memory)
	}
	if back > 0 {
		return append(attrs, "back_ms", home.Milliseconds())
	}
	return append(attrs, "out_ms", out.Milliseconds())
}

// goBack makes the old version the only one again. The file comes first: whoever finds it after a
// crash must not try the bad version once more.
func (d *Deployer) goBack(ctx context.Context, from Desired) error {
	d.mu.Lock()
	err := d.file.setVersion(from.Version)
	d.mu.Unlock()
	switch {
	case errors.Is(err, errEdited):
		slog.Info("desired.yaml was edited meanwhile: it is read next")
	case err != nil:
		slog.Error("desired.yaml still asks for the version that did not hold", "error", err)
	}
	return d.converge(ctx, from)
}
