// Package bench measures step 06, and River beside it on the same database.
// River (riverqueue.com) is the job queue on Postgres that a Go team would take
// off the shelf. This is a module of its own, so that the step does not depend on
// what it is compared with.
//
//	go test -run '^$' -bench . -benchtime 1x .
//
// Every benchmark reports what it has measured as metrics of its own. The one of
// the four ways draws its picture, too, when it is told where: -svg FILE.
package bench
