# One database and one user a service, none of which can reach another's; run when the volume is
# empty, with the superuser's rights. Passwords are read from the environment. Run again, it makes
# what is missing, as after an upgrade that brings a service along, and renews the passwords.
for service in catalog notifier console; do
    case $service in
        catalog) password=$CATALOG_DATABASE_PASSWORD ;;
        notifier) password=$NOTIFIER_DATABASE_PASSWORD ;;
        console) password=$CONSOLE_DATABASE_PASSWORD ;;
    esac
    # What a process is called with can be seen by others; its environment cannot.
    service=$service password=$password psql --username "${POSTGRES_USER:-postgres}" \
        --dbname postgres --quiet --no-psqlrc --set ON_ERROR_STOP=1 <<'SQL'
\getenv service service
\getenv password password
select format('create role %I login', :'service')
where not exists (select from pg_roles where rolname = :'service') \gexec
alter role :"service" password :'password';
select format('create database %I owner %I', :'service', :'service')
where not exists (select from pg_database where datname = :'service') \gexec
revoke connect, temporary on database :"service" from public;
SQL
done
