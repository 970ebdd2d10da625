#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""smoke: does the benchmark run, and is what it writes consistent?  Says nothing about speed.

usage: smoke.py BENCH W1,W2...    the workloads it was built with
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

BENCH = ''
WORKS = []


def bench(*words):
    return subprocess.run([BENCH, *words], capture_output=True, text=True, timeout=60)


def measured(*words):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'run.json')
        done = bench('--smoke', *words, '--json', path)
        assert os.listdir(folder) == ['run.json'], done.stderr
        with open(path, encoding='utf-8') as file:
            return done, json.load(file)


def rows_of(run, work):
    return {row['name']: row['metrics'] for each in run['works'] if each['id'] == work for row in each['rows']}


class Figures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.done, cls.run_ = measured('--any-load')

    def test_quiet_without_a_terminal(self):
        self.assertEqual((self.done.returncode, self.done.stderr), (0, ''))
        self.assertNotIn('\r', self.done.stdout)

    def test_every_row_has_every_round(self):
        self.assertEqual([work['id'] for work in self.run_['works']], WORKS)
        for work in self.run_['works']:
            self.assertEqual(work['rounds']['kept'], work['rounds']['asked'])
            for row in work['rows']:
                for metric in row['metrics'].values():
                    self.assertEqual(len(metric['rounds']), work['rounds']['kept'])

    def test_rows(self):
        pools = {'mutex', 'mutex_clocks', 'queuepool'}
        self.assertLessEqual(pools | {'none', 'cmpxchg2', 'queuepool_unlimited'}, set(rows_of(self.run_, 'W1')))
        self.assertLessEqual(pools | {'cmpxchg_shared'}, set(rows_of(self.run_, 'W2')))
        for work in 'W4', 'W4-1000':
            self.assertEqual(pools | {'none'}, set(rows_of(self.run_, work)))
        for work in 'W3', 'W3-1000':
            self.assertEqual(pools | {'none', 'queuepool_unfair'}, set(rows_of(self.run_, work)))
        for work in 'W5-hot', 'W5-settled':
            self.assertEqual(pools | {'spin', 'futex', 'futex_one_core'}, set(rows_of(self.run_, work)))
        for work in 'W7', 'W7-2', 'few':
            self.assertEqual(pools, set(rows_of(self.run_, work)))
        self.assertEqual(pools | {'queuepool_unlimited', 'queuepool_described'}, set(rows_of(self.run_, 'W8')))
        self.assertEqual({'mutex', 'queuepool'}, set(rows_of(self.run_, 'mixed')))
        self.assertEqual({'queuepool_unlimited'}, set(rows_of(self.run_, 'idle')))
        if 'W6' in WORKS:
            self.assertLessEqual({'none_pg', 'mutex_pg', 'queuepool_pg'}, set(rows_of(self.run_, 'W6')))

    def test_times_are_positive_and_ordered(self):
        for work in 'W1', 'W2', 'W5-hot', 'W5-settled':
            for metrics in rows_of(self.run_, work).values():
                if work.startswith('W5') and metrics['ns']['min'] is None:
                    continue  # a busy machine: nothing was handed over in so short a time
                self.assertGreater(metrics['ns']['min'], 0)
                self.assertLessEqual(metrics['ns']['min'], metrics['ns']['max'])

    def test_waits_are_ordered(self):
        crowds = {work: rows_of(self.run_, work) for work in WORKS if work[:2] in ('W4', 'W6')}
        for name, metrics in [row for rows in crowds.values() for row in rows.items()]:
            self.assertGreater(metrics['acquires_per_s']['median'], 0)
            self.assertLessEqual(metrics['least_served']['median'], metrics['most_served']['median'])
            waits = [metrics[key]['median'] for key in ('wait_p50_ms', 'wait_p99_ms', 'wait_max_ms')]
            if name.startswith('none'):
                self.assertEqual(waits, [None] * 3)
            else:
                self.assertEqual(waits, sorted(waits))

    def test_the_bound_is_one(self):
        self.assertEqual(rows_of(self.run_, 'W4')['none']['share_of_bound']['median'], 1)
        self.assertEqual(rows_of(self.run_, 'W3')['none']['share_of_bound']['median'], 1)
        self.assertEqual(rows_of(self.run_, 'W1')['cmpxchg2']['times_cmpxchg2']['median'], 1)

    def test_targets_say_what_their_figures_say(self):
        self.assertEqual(sum(one['held'] for one in self.run_['targets']), 14 if 'W6' in WORKS else 13)
        for one in self.run_['targets']:
            if one['figure'] is None:
                continue
            met = one['figure'] <= one['goal'] if one['op'] == '<=' else one['figure'] >= one['goal']
            self.assertEqual(one['met'], met)
            self.assertIn(one['text'], self.done.stdout)

    def test_limits_are_told_from_pools(self):
        kinds = {row['name']: row['kind'] for work in self.run_['works'] for row in work['rows']}
        self.assertEqual({kinds[name] for name in ('cmpxchg1', 'membarrier', 'spin', 'futex')}, {'limit'})
        self.assertEqual({kinds[name] for name in ('none', 'mutex', 'queuepool')}, {'peer'})

    def test_counts(self):
        for metrics in rows_of(self.run_, 'few').values():
            self.assertIn(metrics['opened']['median'], range(1, 9))
        for metrics in rows_of(self.run_, 'mixed').values():
            self.assertEqual(metrics['gave_up_early']['max'], 0)
            self.assertGreater(metrics['gave_up']['median'], 0)
            self.assertLessEqual(metrics['late_p50_ms']['median'], metrics['late_max_ms']['median'])
        for metrics in rows_of(self.run_, 'W8').values():
            self.assertGreater(metrics['bytes_per_slot']['median'], 8)
            self.assertLessEqual(metrics['bytes_made']['median'], metrics['bytes_lent']['median'])


class Check(unittest.TestCase):
    def test_exit_code_follows_the_held_targets(self):
        done, run = measured('--any-load', '--only', 'W4', '--check')
        held = [one['met'] for one in run['targets'] if one['held']]
        self.assertEqual(done.returncode, 0 if all(held) else 1)

    def test_disturbed_rounds_are_dropped_and_nothing_is_shown(self):
        spin = [sys.executable, '-c', 'import time\nend = time.time() + 20\nwhile time.time() < end: pass']
        others = [subprocess.Popen(spin) for _ in range(os.cpu_count() or 1)]
        try:
            done, run = measured('--only', 'W4', '--check')
        finally:
            for other in others:
                other.kill()
                other.wait()
        if not run['sees_load']:
            self.skipTest('no /proc/stat')
        rounds = run['works'][0]['rounds']
        self.assertEqual((rounds['kept'], rounds['repeated'], rounds['dropped']), (0, 2, 1))
        self.assertGreater(rounds['worst_load'], 0.02)
        self.assertEqual(done.returncode, 1)
        self.assertIn('no figure', done.stdout)
        for one in run['targets']:
            self.assertIsNone(one['figure'])
            self.assertIsNone(one['met'])


class Page(unittest.TestCase):
    """bench/page.py fills the page from whatever run it is given."""

    HERE = os.path.dirname(os.path.abspath(__file__))

    def page(self, *words):
        command = [sys.executable, os.path.join(self.HERE, 'page.py'), *words]
        return subprocess.run(command, capture_output=True, text=True)

    def filled(self, folder, *words):
        shutil.copy(os.path.join(self.HERE, '..', 'docs', 'PERFORMANCE.md'), folder)
        run = os.path.join(folder, 'run.json')
        bench('--smoke', *words, '--json', run)
        done = self.page(run, folder)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        with open(os.path.join(folder, 'PERFORMANCE.md'), encoding='utf-8') as file:
            first = file.read()
        self.page(run, folder)
        with open(os.path.join(folder, 'PERFORMANCE.md'), encoding='utf-8') as file:
            self.assertEqual(file.read(), first)
        return first

    def test_filled(self):
        with tempfile.TemporaryDirectory() as folder:
            page = self.filled(folder, '--any-load', '--only', 'W1,W4')
            self.assertIn('mutex + cond + array', page)
            self.assertIn('No figures of W3, W3-1000 in this run.', page)
            self.assertIn('| W4 | share of the bound |', page)
            for name in os.listdir(os.path.join(folder, 'performance')):
                picture = xml.etree.ElementTree.parse(os.path.join(folder, 'performance', name)).getroot()
                self.assertTrue(picture.tag.endswith('svg'))
                self.assertIn(f'](performance/{name})', page)
                drawn = ' '.join(picture.itertext())
                self.assertIn('mutex + cond' if name in ('w1.svg', 'w4-waits.svg') else 'no figures', drawn)

    def test_refused(self):
        for words in ([], ['--help'], ['/no/such/run.json']):
            done = self.page(*words)
            self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('/no/such/run.json', done.stderr)


RIVAL = r"""
import sys
for line in sys.stdin:
    work, threads, capacity, ramp, span = line.split()
    if work == 'W2':
        break
    print('{"ns": 12.5, "share_of_bound": 0.25, "wait_p50_ms": null}', flush=True)
"""


class Rivals(unittest.TestCase):
    """One that answers, one that ends, one that is not there and one that never was."""

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            script, path = os.path.join(folder, 'rival.py'), os.path.join(folder, 'rivals.list')
            with open(script, 'w', encoding='utf-8') as file:
                file.write(RIVAL)
            command = f'{sys.executable}\t{script}'
            with open(path, 'w', encoding='utf-8') as file:
                file.write(f'told\tTold\tW1,W3,W3-1000\t{command}\nends\tEnds\tW2\t{command}\n\n')
                file.write('gone\tGone\tW2\t/no/such/rival\nnever\tNever\tW1\t!\tnot found: install it\n')
            cls.done, cls.run_ = measured('--any-load', '--only', 'W1,W2,W3', '--rivals', path)

    def rows(self, work):
        return {row['name']: row for each in self.run_['works'] if each['id'] == work for row in each['rows']}

    def test_figures(self):
        told = self.rows('W1')['told']
        self.assertEqual((told['kind'], told['metrics']['ns']['median']), ('rival', 12.5))
        self.assertGreater(told['metrics']['times_cmpxchg2']['median'], 0)
        self.assertEqual(self.rows('W3')['told']['metrics']['share_of_bound']['median'], 0.25)
        self.assertNotIn('told', self.rows('W2'))

    def test_reasons(self):
        for work, name, why in (
            ('W2', 'ends', 'it ended'), ('W2', 'gone', '/no/such/rival: No such file'), ('W1', 'never', 'install it')
        ):
            row = self.rows(work)[name]
            self.assertIn(why, row['why'])
            self.assertIsNone(row['metrics']['ns']['median'])
            self.assertIn(f'no figure: {row["why"]}', self.done.stdout)


class BadInput(unittest.TestCase):
    def refused(self, named, *words):
        done = bench(*words)
        self.assertEqual((done.returncode, done.stdout), (2, ''))
        self.assertEqual(done.stderr.count('\n'), 1, done.stderr)
        self.assertIn(named, done.stderr)

    def test_options(self):
        self.refused('--fast', '--fast')
        self.refused('--fast', '--fast', 'more')
        self.refused('-q', '-q')
        self.refused('--quick=1', '--quick=1')
        self.refused('more', '--quick', 'more')
        self.refused('--json', '--json')
        self.refused('W9', '--only', 'W9')
        self.refused('--only', '--only', '')
        self.refused('W1,', '--only', 'W1,')
        self.refused('--check', '--check', '--only', 'W1')
        self.refused('--rivals', '--rivals')

    def test_json_that_cannot_be_written(self):
        self.refused('/nowhere/run.json', '--smoke', '--json', '/nowhere/run.json')
        with tempfile.TemporaryDirectory() as folder:
            self.refused(folder, '--smoke', '--json', folder)
        self.refused('--json', '--smoke', '--json', '')
        with tempfile.TemporaryDirectory() as folder:
            bad = os.path.join(folder, 'rivals.list')
            with open(bad, 'w', encoding='utf-8') as file:
                file.write('one word\n')
            for path in bad, '/nowhere/rivals.list':
                done = bench('--smoke', '--rivals', path)
                self.assertEqual((done.returncode, done.stdout), (1, ''))
                self.assertIn(path, done.stderr)
        self.refused('too long', '--smoke', '--json', 'x' * 5000)


if __name__ == '__main__':
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    BENCH = sys.argv.pop(1)
    WORKS = sys.argv.pop(1).split(',')
    unittest.main()
