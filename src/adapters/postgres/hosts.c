/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hosts: the number of places is that of addresses, if there are any, else of hosts; libpq has
 * checked that the lists fit.  What no host can be called is refused here: it is most likely the
 * rest of a password that was not escaped, and hosts are shown.
 */
#include "hosts.h"

#include "fault.h"

#include <stdlib.h>

static qpool_err
no_memory(qpool_error *error)
{
	return qp_pg_fault_say(
	    error, QPOOL_ENOMEM, "no memory for a pool of PostgreSQL connections");
}

static size_t
count_elements(const char *list)
{
	size_t count = 1;

	for (; *list != '\0'; list++)
		count += *list == ',';
	return count;
}

/* Element number i of a list, or its only one; NULL in *out if it is empty. */
static bool
copy_element(char **out, const char *list, size_t i)
{
	bool is_alone = list != NULL && strchr(list, ',') == NULL;
	size_t length;

	*out = NULL;
	if (list == NULL)
		return true;
	for (; i > 0 && !is_alone; i--)
		list += strcspn(list, ",") + 1;
	length = strcspn(list, ",");
	if (length == 0)
		return true;
	*out = strndup(list, length);
	return *out != NULL;
}

/* A folder, an abstract socket, or of the letters that names and addresses have; those of other
 * scripts are left to the resolver. */
static bool
is_host(const char *text)
{
	bool is_path = *text == '/' || *text == '@';

	for (text += is_path; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f || *text == '@' ||
		    (!is_path && strchr(" \"'#&()/;<=>?[\\]^`{|}", *text) != NULL))
			return false;
	return true;
}

static qpool_err
check_host(const char *name, const char *text, size_t i, qpool_error *error)
{
	if (text == NULL || is_host(text))
		return QPOOL_OK;
	return qp_pg_fault_say(error, QPOOL_EINVAL,
	    "%s number %zu has letters that none can have; it must be a name, an address or a "
	    "folder, and in a URI the letters @ : / ? %% of user and password must be written %%40 "
	    "%%3A %%2F %%3F %%25",
	    name, i + 1);
}

static qpool_err
check_port(const char *text, size_t i, qpool_error *error)
{
	size_t digits = strspn(text, "0123456789");
	long port = strtol(text, NULL, 10);
	bool shown = digits > 0 && text[digits] == '\0' && digits < 10;

	if (shown && port >= 1 && port <= 65535)
		return QPOOL_OK;
	/* "//user:password" without a host makes a port of the password. */
	return qp_pg_fault_say(error, QPOOL_EINVAL,
	    "port number %zu is %s; it must be 1 to 65535%s", i + 1,
	    shown ? text : "not understood",
	    shown ? "" : ", and in a URI user:password must be followed by @host");
}

static qpool_err
read_place(qp_pg_host *place, const qp_pg_merged *merged, size_t i, qpool_error *error)
{
	const char *ports = qp_pg_merge_value(merged, "port");
	const char *hosts = qp_pg_merge_value(merged, "host");
	qpool_err err;

	/* One address with a list of hosts, or the other way round, has been refused. */
	if (!copy_element(&place->host, hosts, i) ||
	    !copy_element(&place->hostaddr, qp_pg_merge_value(merged, "hostaddr"), i) ||
	    !copy_element(&place->port, ports, i))
		return no_memory(error);
	if (place->host == NULL && place->hostaddr == NULL && merged->default_host != NULL &&
	    (place->host = strdup(merged->default_host)) == NULL)
		return no_memory(error);
	if (place->port == NULL && qp_pg_merge_compiled(merged, "port") != NULL &&
	    (place->port = strdup(qp_pg_merge_compiled(merged, "port"))) == NULL)
		return no_memory(error);
	if ((err = check_host("host", place->host, i, error)) != QPOOL_OK ||
	    (err = check_host("hostaddr", place->hostaddr, i, error)) != QPOOL_OK)
		return err;
	return place->port != NULL ? check_port(place->port, i, error) : QPOOL_OK;
}

qpool_err
qp_pg_hosts_read(qp_pg_host **out, size_t *count, const qp_pg_merged *merged, qpool_error *error)
{
	const char *addresses = qp_pg_merge_value(merged, "hostaddr");
	const char *names = qp_pg_merge_value(merged, "host");
	const char *list = addresses != NULL ? addresses : names != NULL ? names : "";
	size_t places = count_elements(list);
	qp_pg_host *hosts = calloc(places, sizeof *hosts);

	if (hosts == NULL)
		return no_memory(error);
	for (size_t i = 0; i < places; i++) {
		qpool_err err = read_place(&hosts[i], merged, i, error);
		if (err != QPOOL_OK) {
			qp_pg_hosts_free(hosts, places);
			return err;
		}
	}
	*out = hosts;
	*count = places;
	return QPOOL_OK;
}

void
qp_pg_hosts_free(qp_pg_host *hosts, size_t count)
{
	for (size_t i = 0; hosts != NULL && i < count; i++) {
		free(hosts[i].host);
		free(hosts[i].hostaddr);
		free(hosts[i].port);
	}
	free(hosts);
}
