package accounts

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	saveEvery   = time.Second           // so often it is looked what has changed
	gatherFor   = 10 * time.Millisecond // changes that are urgent come together: a call that is refused has counted, too
	minSaveWait = time.Second           // between attempts that fail, doubled each time
	maxSaveWait = time.Minute

	unusedFor = 30 * 24 * time.Hour // then the object of an account that nobody has is deleted
	maxPruned = 1000                // at once
)

// flush is accounts that nobody has any more.
type flush struct {
	ids  []string
	done chan struct{} // closed when they are written, or cannot be
}

// run writes until Destruct.
func (k *keeper) run() {
	defer close(k.done)
	w := writer{keeper: k, share: newShare(time.Now())}
	timer := time.NewTimer(saveEvery)
	defer timer.Stop()
	next := time.Now().Add(saveEvery) // when the timer goes off
	for {
		select {
		case <-k.stop:
			return
		case f := <-k.leave:
			w.flush(f)
		case <-k.wake:
			if at := w.urgentAt(time.Now()); at.Before(next) {
				next = at
				timer.Reset(time.Until(next))
			}
		case <-timer.C:
			next = w.pass()
			timer.Reset(time.Until(next))
		}
	}
}

// writer is what only the goroutine of a keeper needs to know.
type writer struct {
	*keeper
	share  share
	looked time.Time // when it was last looked what has changed
	pruned bool
}

// urgentAt is when to write what is urgent.
func (w *writer) urgentAt(now time.Time) time.Time {
	return now.Add(max(gatherFor, w.share.wait(now, 0)))
}

// pass writes what has changed, as far as the share of time reaches, and returns when the next is due.
func (w *writer) pass() time.Time {
	for {
		now := time.Now()
		batch, reserve := w.next(now)
		if len(batch) == 0 {
			return w.looked.Add(saveEvery)
		}
		if wait := w.share.wait(now, reserve); wait > 0 {
			w.putBack(batch, reserve == 0)
			return now.Add(wait)
		}
		w.saveAll(batch)
		w.share.spend(now, time.Now())
	}
}

// saveAll writes some accounts side by side: what takes time is mostly the waiting for a disk or a network.
func (w *writer) saveAll(batch []*kept) {
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	var wrote atomic.Pointer[holding]
	inParallel(batch, func(e *kept) {
		if h := w.save(ctx, e); h != nil {
			wrote.Store(h)
		}
	})
	if h := wrote.Load(); h != nil {
		w.prune(ctx, h)
	}
}

// next returns the accounts to write next, and how much of the share of time has to be left for them; none when there are none. What is
// urgent is written together, and the rest one by one, so that nothing urgent waits long.
func (w *writer) next(now time.Time) (batch []*kept, reserve time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := min(len(w.soon), atOnce); n > 0 {
		batch, w.soon = w.soon[:n:n], w.soon[n:]
		for _, e := range batch {
			e.soon = false
		}
		return batch, 0
	}
	if len(w.due) == 0 && now.Sub(w.looked) >= saveEvery {
		w.looked = now
		for _, e := range w.kept {
			if e.changed() && !e.retry.After(now) {
				w.due = append(w.due, e)
			}
		}
	}
	n := min(len(w.due), 1)
	batch, w.due = w.due[:n:n], w.due[n:]
	return batch, shareReserve
}

// putBack has accounts be the next again.
func (w *writer) putBack(batch []*kept, soon bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !soon {
		w.due = append(batch, w.due...)
		return
	}
	for _, e := range batch {
		if !e.soon { // not put there once more meanwhile
			e.soon = true
			w.soon = append(w.soon, e)
		}
	}
}

func (e *kept) changed() bool { return !e.loaded || e.missing || e.candidate.Changes() != e.saved }

// flush writes what changed about accounts that nobody has any more, and forgets them.
func (w *writer) flush(f *flush) {
	defer close(f.done)
	// The configuration that they belonged to is over, and its context with it.
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	inParallel(f.ids, func(id string) {
		w.mu.Lock()
		e := w.kept[id]
		gone := e != nil && e.holders == 0
		// What is missing has not been used since it was loaded: a configuration that is only looked at writes nothing.
		write := gone && e.candidate.Changes() != e.saved
		w.mu.Unlock()
		if write && ctx.Err() == nil {
			w.save(ctx, e)
		}
		if gone {
			w.forget(id, e)
		}
	})
}

// forget keeps an account no more, unless somebody has it again.
func (w *writer) forget(id string, e *kept) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.holders > 0 {
		return
	}
	delete(w.kept, id)
	if e.failures > 0 {
		w.failing--
	}
}

// save writes an account. It returns the handler in whose store it wrote; nil when it did not.
func (w *writer) save(ctx context.Context, e *kept) *holding {
	w.mu.Lock()
	candidate, loaded := e.candidate, e.loaded
	id := candidate.Credential.ID
	if w.kept[id] != e || !e.changed() { // forgotten, or written, since it was put on the list
		w.mu.Unlock()
		return nil
	}
	h := w.latest()
	w.mu.Unlock()
	var err error
	if !loaded { // or what the store knows would be lost
		err = h.load(ctx, &candidate)
		loaded = err == nil
	}
	changes := candidate.Changes() // before the export: what changes meanwhile is written again
	if err == nil {
		var text []byte
		if text, err = encode(&candidate); err == nil {
			err = h.store.Save(ctx, id, text)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	e.loaded = loaded
	if err != nil {
		w.failed(h, id, e, err)
		return nil
	}
	e.saved, e.missing = changes, false
	if e.failures > 0 {
		e.failures = 0
		if w.failing--; w.failing == 0 {
			h.logger.Info("what is known about accounts is kept again")
		}
	}
	return h
}

// failed puts off the next attempt for an account. The caller holds the lock.
func (w *writer) failed(h *holding, id string, e *kept, err error) {
	if e.failures == 0 {
		if w.failing++; w.failing == 1 {
			h.logger.Error("what is known about accounts cannot be kept; trying again, but a restart would lose it",
				zap.String("object", h.store.Name(id)), zap.Error(err))
		}
	}
	e.retry = time.Now().Add(min(minSaveWait<<min(e.failures, 10), maxSaveWait))
	e.failures++
}

// prune deletes, once, what accounts have left that nobody has had for long. It is not done before something is written: that a
// configuration is looked at must not delete anything.
func (w *writer) prune(ctx context.Context, h *holding) {
	if w.pruned {
		return
	}
	w.pruned = true
	if err := h.store.Prune(ctx, time.Now().Add(-unusedFor), maxPruned, w.inUse); err != nil {
		h.logger.Warn("what is kept of accounts that are no more cannot be deleted", zap.Error(err))
	}
}
