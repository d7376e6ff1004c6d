package eventloop

import "fmt"

// Promise is a value that will be there later, or the error that kept it from
// coming, on a loop: whoever waits for it is called from the microtasks, and
// never at once. It follows the ECMAScript specification, section 27.2.
type Promise struct {
	loop     *Loop
	answered bool // a later answer does not count
	settled  bool
	handled  bool // somebody would hear of an error
	value    any
	err      error
	waiting  []func() // called when it is settled
}

// NewPromise calls executor now, before it returns. The first answer counts; a
// promise as the value is waited for.
func (l *Loop) NewPromise(executor func(resolve func(any), reject func(error))) *Promise {
	p := &Promise{loop: l}
	executor(p.resolve, p.reject)
	return p
}

// Resolved is a promise that has its value already.
func (l *Loop) Resolved(value any) *Promise {
	return l.NewPromise(func(resolve func(any), _ func(error)) { resolve(value) })
}

// Rejected is a promise that has failed already.
func (l *Loop) Rejected(err error) *Promise {
	return l.NewPromise(func(_ func(any), reject func(error)) { reject(err) })
}

// Then calls next with the value, and is the promise of what that returns. When p
// fails, next is not called and the error goes on down the chain.
func (p *Promise) Then(name string, next func(value any) (any, error)) *Promise {
	q := &Promise{loop: p.loop}
	p.Await(name, func(value any, err error) {
		if err == nil {
			value, err = next(value)
		}
		q.settleWith(value, err)
	})
	return q
}

// Catch calls handle when p fails, and goes on with what that returns.
func (p *Promise) Catch(name string, handle func(error) (any, error)) *Promise {
	q := &Promise{loop: p.loop}
	p.Await(name, func(value any, err error) {
		if err != nil {
			value, err = handle(err)
		}
		q.settleWith(value, err)
	})
	return q
}

// Await calls rest once p is settled: what stands behind "await p" in an async
// function is nothing but a callback.
func (p *Promise) Await(name string, rest func(value any, err error)) {
	p.handled = true
	then := func() {
		p.loop.QueueMicrotask(name, func() { rest(p.value, p.err) })
	}
	if p.settled {
		then()
		return
	}
	p.waiting = append(p.waiting, then)
}

func (p *Promise) settleWith(value any, err error) {
	if err != nil {
		p.reject(err)
		return
	}
	p.resolve(value)
}

func (p *Promise) resolve(value any) {
	if p.answered {
		return
	}
	p.answered = true
	inner, isPromise := value.(*Promise)
	if !isPromise {
		p.settle(value, nil)
		return
	}
	// A promise for a promise takes two microtasks more: one asks the inner one,
	// and by another that one answers.
	p.loop.QueueMicrotask("ask inner", func() { inner.Await("answer", p.settle) })
}

func (p *Promise) reject(err error) {
	if p.answered {
		return
	}
	p.answered = true
	p.settle(nil, err)
}

func (p *Promise) settle(value any, err error) {
	p.settled, p.value, p.err = true, value, err
	if err != nil {
		p.loop.rejected = append(p.loop.rejected, p)
	}
	for _, then := range p.waiting {
		then()
	}
	p.waiting = nil
}

// UnhandledRejection says that a promise failed and nobody waited for it. It
// ends the program, with Node since its version 15.
type UnhandledRejection struct{ Err error }

func (e *UnhandledRejection) Error() string {
	return fmt.Sprintf("a promise failed and nobody handles it: %v", e.Err)
}

// Unwrap returns the error of the promise.
func (e *UnhandledRejection) Unwrap() error { return e.Err }

// unhandled looks for it when no microtask is left, and not before: until then
// somebody may still come.
func (l *Loop) unhandled() error {
	rejected := l.rejected
	l.rejected = nil
	for _, p := range rejected {
		if !p.handled {
			l.note("a promise failed and nobody handles it: the program ends")
			return &UnhandledRejection{p.err}
		}
	}
	return nil
}
