/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work: see work.h.
 */
#include "work.h"

#include "fail.h"

#include <string.h>

unsigned
work_metric_count(const work_kind *kind)
{
	unsigned count = 0;

	while (count < WORK_METRICS && kind->metrics[count].key != NULL)
		count++;
	return count;
}

unsigned
work_metric_index(const work_kind *kind, const char *key)
{
	for (unsigned i = 0; i < work_metric_count(kind); i++)
		if (strcmp(kind->metrics[i].key, key) == 0)
			return i;
	fail("%s has no metric '%s'", kind->id, key);
}

const char *
work_row_name(const work_row *row)
{
	if (row->rival != NULL)
		return row->rival->name;
	return row->peer != NULL ? row->peer->name : row->limit->name;
}

const char *
work_row_title(const work_row *row)
{
	if (row->rival != NULL)
		return row->rival->title;
	return row->peer != NULL ? row->peer->title : row->limit->title;
}

const char *
work_row_kind(const work_row *row)
{
	if (row->rival != NULL)
		return "rival";
	return row->peer == NULL || row->peer->is_limit ? "limit" : "peer";
}

const work_row *
work_find_row(const work_row *rows, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(work_row_name(&rows[i]), name) == 0)
			return &rows[i];
	return NULL;
}

const series *
work_series(const work *all, const char *row, const char *metric)
{
	static const series nothing;
	const work_row *found = work_find_row(all->rows, all->row_count, row);

	return found == NULL ? &nothing : &found->metric[work_metric_index(all->kind, metric)];
}

static work_row *
add_row(work *all)
{
	if (all->row_count == WORK_ROWS)
		fail("%s has more than %d rows", all->kind->id, WORK_ROWS);
	return &all->rows[all->row_count++];
}

void
work_prepare(work *all, const work_kind *kind, work_pace pace, bool with_rivals)
{
	memset(all, 0, sizeof *all);
	all->kind = kind;
	all->timing = kind->timing[pace];
	for (unsigned i = 0; i < limit_count; i++)
		if ((limits[i].works & kind->bits) == kind->bits)
			add_row(all)->limit = &limits[i];
	for (unsigned i = 0; i < peer_count; i++)
		if ((peers[i]->works & kind->bits) == kind->bits &&
		    (with_rivals || !peers[i]->is_library))
			add_row(all)->peer = peers[i];
	for (unsigned i = 0; with_rivals && i < rival_count; i++)
		if (rival_takes_part(&rivals[i], kind))
			add_row(all)->rival = &rivals[i];
}
