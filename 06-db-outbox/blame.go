package outbox

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// What to do about an error of the database hangs on whose fault it is. The first
// two characters of Postgres' code say it (postgresql.org/docs, "PostgreSQL Error
// Codes"):
//
//   - The data's: no further attempt can mend it. It is set aside with the reason,
//     and what came in the same batch goes on without it.
//   - The set-up's: a password, a missing right, an old table. Every order would
//     fail, and none is to blame. A program that is starting ends with the reason.
//   - Anything else passes: a deadlock, a full disk, a server that restarts. It is
//     tried again.

// badData tells whether Postgres has looked at the data and can never take them.
func badData(err error) bool {
	switch class(err) {
	case "22", "23", // not such a value; not beside what is there
		"44", "54", // not in this view; larger than any row may be
		"P0": // refused by a trigger
		return true
	default:
		return false
	}
}

// badSetup tells whether a person must change something before it can work.
func badSetup(err error) bool {
	switch class(err) {
	case "28", "3D", "3F", // who, which database, which schema
		"42", "0A", // no such table or no right to it; not in this server
		"26": // a prepared statement is in another session, see [explain]
		return true
	default:
		return refusedParameter(err)
	}
}

// refused tells whether the database has not taken what was sent: it said so, or
// it was never sent. After any other error the outcome is unknown. A session that
// is ended (FATAL) may have committed just before.
func refused(err error) bool {
	answer, opening := new(pgconn.PgError), new(pgconn.ConnectError)
	if errors.As(err, &opening) || pgconn.SafeToRetry(err) {
		return true
	}
	return errors.As(err, &answer) && answer.Severity == "ERROR"
}

func class(err error) string {
	answer := new(pgconn.PgError)
	if errors.As(err, &answer) && len(answer.Code) == 5 {
		return answer.Code[:2]
	}
	return ""
}

// refusedParameter tells whether a pooler refuses a setting that a session begins
// with. PgBouncer has one code for all that it refuses, passing troubles too.
func refusedParameter(err error) bool {
	answer := new(pgconn.PgError)
	return errors.As(err, &answer) && answer.Code == "08P01" &&
		strings.Contains(answer.Message, "startup parameter")
}
