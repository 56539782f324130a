# The channel's files and pipes belong to nginx's workers and one group, and
# nobody else may read or write them, whatever the umask; a reload with another
# mode or group takes effect at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim;

plan(skip_all => 'skipped: for root, whose workers are somebody else')
    if $< != 0;
Test::Goim->plan(16);

# a group that neither nginx nor who tries has
my $group = getgrnam('games') ? 'games' : 'daemon';
my $gid = getgrnam($group);

umask(0);

my $goim = Test::Goim->new(
    workers => 1, channel => "size=64k group=$group")->start;
my $user = $goim->nginx->conf_text =~ /^user (\S+?);?(\s|$)/m ? $1 : 'nobody';
my $uid = getpwnam($user =~ s/;.*//r);

my ($file) = $goim->generations;
my ($pipe) = glob("$file.d/0");


# Owner, group and permissions.
sub rights {
    my ($path) = @_;

    my (undef, undef, $mode, undef, $owner, $its_group) = stat($path)
        or die("$path: $!");

    return sprintf('%d %d %04o', $owner, $its_group, $mode & 07777);
}


# Whether somebody of no group, or of the one given, may open it so.
sub may_open {
    my ($path, $how, $of) = @_;

    my $pid = fork();
    die("fork: $!") if !defined $pid;

    if ($pid == 0) {
        my $nobody = getpwnam('nobody');
        $( = $) = ($of // getgrnam('nogroup')) . ' '
            . ($of // getgrnam('nogroup'));
        $< = $> = $nobody;
        require POSIX;
        POSIX::_exit(open(my $handle, $how, $path) ? 0 : 1);
    }

    waitpid($pid, 0);

    return $? == 0 ? 'yes' : 'no';
}


is(rights($file), "$uid $gid 0660", 'the channel is the workers\'');
is(rights("$file.d"), "$uid $gid 0770", 'so is its folder');
is(rights($pipe), "$uid $gid 0660", 'and each of the pipes');
is((split(/ /, rights($goim->channel_path . '.lock')))[2], '0600',
   'the lock is the master\'s alone');

for my $path ($file, $pipe) {
    my $name = $path eq $file ? 'the channel' : 'a pipe';

    is(may_open($path, '<'), 'no', "others may not read $name");
    is(may_open($path, '+<'), 'no', 'nor write to it');
    is(may_open($path, '+<', $gid), 'yes', 'who is in the group may');
}

is(may_open($goim->channel_path . '.lock', '<', $gid), 'no',
   'but has nothing to do with the lock');

my $client = $goim->connect_ws->join_room('live://1');
$goim->reload(channel => 'size=64k mode=0600');

is((split(/ /, rights($file)))[2], '0600', 'a reload takes the group\'s away');
is((split(/ /, rights($pipe)))[2], '0600', 'from the pipes as well');
is(may_open($file, '<', $gid), 'no', 'so that nobody else gets in');

my $new = $goim->connect_ws->join_room('live://1');
$goim->push_room('live://1', 1000, 'hello');
is($_->next_body, 'hello', 'who is in goes on') for $client, $new;
