// Package bench measures step 05: the two protocols, replicas and balancing, and what
// the whole chain costs beside one of bare net/http. All of it is in its tests:
//
//	go test -run '^$' -bench . -benchtime 600x ./bench
package bench
