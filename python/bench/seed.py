# SPDX-License-Identifier: BSD-3-Clause
"""seed: a stand-in for the pool of queuepool 1.3.2, written from a description of its steps.

A LifoQueue; a take and a put read the clock twice each and compare idle time, age and uses with their limits.  It has
the costs of the original and its ways of waiting, and none of its other ways.  The bench alone comes in.
"""
import queue
from datetime import datetime


class Manager:
    """Holds a resource; the hooks do as little as can be done."""

    def __init__(self, name):
        self.name = name
        self.resource = None
        self.is_open = False
        self.opened = self.used = self.uses = None

    def open(self):
        self.is_open = True
        self.opened = self.used = datetime.now()
        self.uses = 0

    def close(self):
        self.is_open = False

    def before(self):
        pass

    def after(self):
        pass


class Pool:
    def __init__(self, capacity, max_idle=300.0, max_age=300.0, max_uses=1000000000):
        self.max_idle, self.max_age, self.max_uses = max_idle, max_age, max_uses
        self.idle = queue.LifoQueue(capacity)

    def expire(self, manager):
        now = datetime.now()
        if not manager.is_open:
            return
        is_idle = self.max_idle is not None and (now - manager.used).total_seconds() > self.max_idle
        is_old = self.max_age is not None and (now - manager.opened).total_seconds() > self.max_age
        is_used = self.max_uses is not None and manager.uses >= self.max_uses
        if is_idle or is_old or is_used:
            manager.close()

    def take(self):
        now = datetime.now()
        manager = self.idle.get()
        manager.pool = self
        self.expire(manager)
        manager.before()
        if not manager.is_open:
            manager.open()
        manager.uses += 1
        manager.used = now
        return manager

    def put(self, manager):
        manager.pool = self
        manager.used = datetime.now()
        self.expire(manager)
        manager.after()
        self.idle.put(manager)
